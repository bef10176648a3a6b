"""`/api/notifications/`: pushes that are sent, those that were, and what staff look at."""

from typing import Any

from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.transaction import end_transaction
from app.domain.notifications.schemas import (
    Debug,
    FirebaseInput,
    History,
    LatestOrderAnswer,
    OrderInput,
    Taken,
    Tested,
    TrialInput,
    Triggered,
)
from app.domain.notifications.service.notifications import NotificationService
from app.domain.notifications.service.sending import PushSender, Scope
from app.http.guards import door, signed_in, staff
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal
from app.http.throttling import EXEMPT, THROTTLE

SENT = "Notificación enviada"
NO_DEVICES = "No hay dispositivos registrados"
NOT_SENT = "No se pudo enviar la notificación"
ARRIVED = "delivered"
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


async def _deliver(request: Request[Any, Any, Any], ids: list[int]) -> int:
    """Send these now, outside of any transaction; how many got through."""
    await end_transaction(request)
    sender: PushSender = request.app.state.push_sender
    outcome = await sender.deliver(request.app.state.sessions, Scope(ids=ids))
    return outcome["sent"]


def _message(written: int, sent: int) -> str:
    if not written:
        return NO_DEVICES
    return SENT if sent else NOT_SENT


class NotificationController(Controller):
    """A push that is asked for here has been tried when the answer comes."""

    path = "/api/notifications"
    tags = ("notifications",)

    @post("/send-test/", status_code=200, guards=[signed_in], operation_id="notifications_send_test")
    async def send_test(
        self, request: Request[Any, Any, Any], state: State, session: Session, user: User, data: TrialInput
    ) -> Tested:
        """To all of the caller's devices, at any hour."""
        ids = await NotificationService(session, state.settings).write_test(user.id, data.title, data.body)
        sent = await _deliver(request, ids)
        return Tested(sent > 0, _message(len(ids), sent), sent, len(ids) - sent)

    @get("/history/", guards=[signed_in], operation_id="notifications_history")
    async def history(self, state: State, session: Session, user: User) -> History:
        """The newest 50."""
        found = await NotificationService(session, state.settings).history(user.id)
        return History(found, len(found))

    @post(
        "/trigger-order/",
        status_code=200,
        guards=[staff],
        operation_id="notifications_trigger_order",
        opt={ERRORS: (404,)},
    )
    async def trigger_order(
        self, request: Request[Any, Any, Any], state: State, session: Session, data: OrderInput
    ) -> Triggered:
        """Tells the staff of an order once more, in their hours."""
        ids = await NotificationService(session, state.settings).order_created(data.order_id, by_hand=True)
        sent = await _deliver(request, ids)
        return Triggered(sent > 0, _message(len(ids), sent), sent)

    @get("/latest-order-info/", guards=[staff], operation_id="notifications_latest_order_info")
    async def latest_order(self, state: State, session: Session) -> LatestOrderAnswer:
        return LatestOrderAnswer(await NotificationService(session, state.settings).latest_order())

    @get("/debug/", guards=[staff], operation_id="notifications_debug")
    async def debug(self, state: State, session: Session) -> Debug:
        service = NotificationService(session, state.settings)
        tokens = await service.tokens()
        return Debug(state.push_sender.fcm.configured, tokens.total, tokens.active, await service.newest())

    @post(
        "/webhook/firebase/",
        status_code=200,
        guards=[door],
        operation_id="notifications_webhook_firebase",
        opt={THROTTLE: EXEMPT},
    )
    async def firebase(self, state: State, session: Session, data: FirebaseInput) -> Taken:
        """Anybody may say that a push which was sent has arrived, and nothing else; unknown ids change nothing."""
        if data.status == ARRIVED:
            await NotificationService(session, state.settings).delivered(data.message_id)
        return Taken()
