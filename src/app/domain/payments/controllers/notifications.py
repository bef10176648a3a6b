"""What MercadoPago tells: verified before anything of it is read, kept, and left to a job."""

from typing import Any

import structlog
from litestar import Controller, Request, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.mercadopago_signature import BadSignature
from app.domain.payments.schemas.payments import NotificationInput, Taken
from app.domain.payments.service.failures import NotSigned
from app.domain.payments.service.inbox import Inbox, signed_resource
from app.http.guards import door
from app.http.openapi.hints import ERRORS, QUERY
from app.http.throttling import EXEMPT, THROTTLE

PAYMENT = "payment"
# The older family of notifications cannot be verified by anybody. It is acknowledged, so that it stops, and not read.
OLD_TOPICS = frozenset({"payment", "merchant_order"})
RESOURCE = "payment_resource"

log = structlog.get_logger("app.payments")


async def is_signed(request: Request[Any, Any, Any]) -> Taken | None:
    """Before the body is looked at: a 401 unless MercadoPago sent this."""
    query = request.query_params
    if query.get("topic") in OLD_TOPICS and "id" in query and "data.id" not in query and "type" not in query:
        return Taken()
    try:
        request.scope["state"][RESOURCE] = signed_resource(
            request, request.app.state.settings.mercadopago_webhook_secret
        )
    except BadSignature as error:
        log.info("notification_refused", reason=str(error))
        raise NotSigned from error
    return None


class NotificationController(Controller):
    """No throttle: the sender is one and the same, and its signature is cheap to check."""

    tags = ("payments",)
    opt = {THROTTLE: EXEMPT}  # noqa: RUF012 - Litestar reads it from the class

    @post(
        ["/api/payments/", "/api/payments/webhook/"],
        status_code=200,
        guards=[door],
        before_request=is_signed,
        operation_id="payments_webhook",
        opt={QUERY: {"data.id": str, "type": str}, ERRORS: (401,)},
    )
    async def tell(
        self, request: Request[Any, Any, Any], session: NamedDependency[AsyncSession], data: NotificationInput
    ) -> Taken:
        """A payment has news. Also for news of other things, and for the same news again, the answer is ok."""
        resource: str = request.scope["state"][RESOURCE]
        inner = data.data.get("id") if isinstance(data.data, dict) else None
        if inner is not None and str(inner).lower() != resource.lower():
            raise NotSigned
        if resource and (request.query_params.get("type") or data.type) == PAYMENT:
            raw = (await request.body()).decode(errors="replace").replace("\x00", "")
            await Inbox(session).take(resource, data, request.headers.get("x-request-id", ""), raw)
        return Taken()
