"""What MercadoPago tells: verified before anything of it is read, kept, and left to a job."""

from typing import Any

import msgspec
import structlog
from litestar import Controller, Request, post
from litestar.datastructures import MultiDict

from app.clients.mercadopago_signature import BadSignature, Signed, verify
from app.db import clock
from app.domain.payments.schemas.payments import NotificationInput, Taken
from app.domain.payments.service.failures import NotSigned
from app.domain.payments.service.intake import Intake, News
from app.http.guards import door
from app.http.openapi.hints import ERRORS, QUERY
from app.http.throttling import EXEMPT, THROTTLE

PAYMENT = "payment"
# The older family of notifications cannot be verified by anybody. It is acknowledged, so that it stops, and not read.
OLD_TOPICS = frozenset({"payment", "merchant_order"})
TOLD = "payment_told"
SIGNED_HEADERS = (b"x-request-id", b"x-signature")
LONGEST_ID = 64
# So much of what was told is kept.
ACTION_LENGTH, INSTANT_LENGTH, REQUEST_ID_LENGTH, RAW_LENGTH = 40, 40, 128, 4000

log = structlog.get_logger("app.payments")


class Told(msgspec.Struct, frozen=True):
    """What the signature of a request covers; `kind` is what its address calls the news, if it says so."""

    resource: str
    request_id: str
    kind: str


def signed_parts(request: Request[Any, Any, Any], query: MultiDict[str], secret: str) -> Told:
    """Which payment a notification is about, nothing when it is about none.

    Raises BadSignature, also for a request that says any signed part twice.
    """
    headers = request.scope["headers"]
    parts = [
        query.getall("data.id", []),
        *([value.decode("latin-1") for name, value in headers if name == wanted] for wanted in SIGNED_HEADERS),
    ]
    if any(len(part) > 1 for part in parts):
        raise BadSignature("a signed part is there twice")
    data_id, request_id, signature = (part[0] if part else "" for part in parts)
    if len(data_id) > LONGEST_ID or not (data_id + request_id).isascii():
        raise BadSignature("a signed part is malformed")
    verify(secret, signature, Signed(data_id, request_id), clock.seconds())
    return Told(data_id, request_id, query.get("type") or "")


async def is_signed(request: Request[Any, Any, Any]) -> Taken | None:
    """Before the body is looked at: a 401 unless MercadoPago sent this."""
    query, secret = request.query_params, request.app.state.settings.mercadopago_webhook_secret
    if secret and query.get("topic") in OLD_TOPICS and "id" in query and "data.id" not in query and "type" not in query:
        return Taken()
    try:
        request.scope["state"][TOLD] = signed_parts(request, query, secret)
    except BadSignature as error:
        log.info("notification_refused", reason=str(error))
        raise NotSigned from error
    return None


class NotificationController(Controller):
    """No throttle: the sender is one and the same, and its signature is cheap to check."""

    tags = ("payments",)
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class

    @post(
        "/api/payments/",
        status_code=200,
        guards=[door],
        before_request=is_signed,
        operation_id="payments_webhook",
        opt={QUERY: {"data.id": str, "type": str}, ERRORS: (401,)},
    )
    async def tell(self, request: Request[Any, Any, Any], data: NotificationInput) -> Taken:
        """A payment has news. Also for news of other things, and for the same news again, the answer is ok."""
        await _keep(request, data)
        return Taken()

    @post(
        "/api/payments/webhook/",
        status_code=200,
        guards=[door],
        before_request=is_signed,
        include_in_schema=False,
    )
    async def tell_there(self, request: Request[Any, Any, Any], data: NotificationInput) -> Taken:
        """The same at the address that preferences name."""
        await _keep(request, data)
        return Taken()


async def _keep(request: Request[Any, Any, Any], data: NotificationInput) -> None:
    """News of a payment go to the intake. What the body says of itself counts for nothing, but may not contradict."""
    told: Told = request.scope["state"][TOLD]
    inner = data.data.get("id") if isinstance(data.data, dict) else None
    if inner is not None and str(inner).lower() != told.resource.lower():
        raise NotSigned
    if told.resource and (told.kind or data.type) == PAYMENT:
        intake: Intake = request.app.state.payment_intake
        raw = (await request.body()).decode(errors="replace").replace("\x00", "")
        await intake.take(
            News(
                resource=told.resource,
                action=data.event[:ACTION_LENGTH],
                happened_at=data.date_created[:INSTANT_LENGTH],
                request_id=told.request_id[:REQUEST_ID_LENGTH],
                raw=raw[:RAW_LENGTH],
            )
        )
