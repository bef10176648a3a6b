"""`/api/payments/`: paying an order, how that stands, and money that goes back."""

from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.transaction import end_transaction
from app.domain.payments.schemas.payments import (
    OrderInput,
    PaymentCheck,
    PaymentState,
    Refunded,
    RefundInput,
    Started,
)
from app.domain.payments.service.desk import PaymentDesk
from app.domain.payments.service.reading import PaymentReader
from app.domain.payments.service.refunds import Wish
from app.http.guards import signed_in, staff
from app.http.idempotency import KEYED, ticket_of
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal

REFUNDED = "Reembolso realizado"
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


async def _desk(request: Request[Any, Any, Any]) -> PaymentDesk:
    """The desk has transactions of its own: no connection is held while the provider is waited for."""
    await end_transaction(request)
    desk: PaymentDesk = request.app.state.payment_desk
    return desk


class PaymentController(Controller):
    """An order that is not the caller's does not exist. A provider that is away is a 503, the order as it was."""

    path = "/api/payments"
    tags = ("payments",)

    @post(
        "/create/",
        status_code=200,
        guards=[signed_in],
        operation_id="payments_create",
        opt={ERRORS: (400, 404, 503), KEYED: True},
    )
    async def create(self, request: Request[Any, Any, Any], user: User, data: OrderInput) -> Started:
        """A page where the order can be paid. Asked for again, it is the same page while that is good."""
        return await (await _desk(request)).create(data.order_id, user)

    @get("/status/{order_id:int}/", guards=[signed_in], operation_id="payments_status", opt={ERRORS: (404,)})
    async def status(self, session: Session, user: User, order_id: int) -> PaymentState:
        """What is known here; `check-status` asks the provider."""
        return await PaymentReader(session).state(order_id, user)

    @post(
        "/check-status/",
        status_code=200,
        guards=[signed_in],
        operation_id="payments_check_status",
        opt={ERRORS: (404, 503), KEYED: True},
    )
    async def check_status(self, request: Request[Any, Any, Any], user: User, data: OrderInput) -> PaymentCheck:
        """Asks the provider and applies what it says."""
        return await (await _desk(request)).check(data.order_id, user)

    @post(
        "/refund/",
        status_code=200,
        guards=[staff],
        operation_id="payments_refund",
        opt={ERRORS: (400, 404, 409, 503), KEYED: True},
    )
    async def refund(self, request: Request[Any, Any, Any], user: User, data: RefundInput) -> Refunded:
        """Several parts add up to what was paid and never to more. A paid order of which nothing is left is cancelled.

        503 means that nobody knows yet: asked for again it is the same refund, and it ends by itself.
        """
        ticket = ticket_of(request)
        wish = Wish(data.order_id, data.amount, ticket.digest if ticket else None)
        made = await (await _desk(request)).refund(wish, user)
        return Refunded(REFUNDED, made.order_id, made.status, made.amount, made.refunded_amount)
