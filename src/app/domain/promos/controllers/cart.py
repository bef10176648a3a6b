"""`/cart/reserve`, `/cart/checkout`, `/cart/cancel`: hold, buy, let go."""

from litestar import Controller, Response, post, put
from litestar.datastructures import State
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.promos.controllers.live import touch_after_commit
from app.domain.promos.schemas import CheckoutInput, Hold, ReserveInput, TokenInput
from app.domain.promos.service.holds import HoldDesk, HoldService
from app.http.decoding import ApiRequest
from app.http.guards import BASIC_FIRST, claimed, signed_in
from app.http.idempotency import KEYED
from app.http.openapi.hints import ALSO, ERRORS
from app.http.principal import Claim, Principal
from app.http.ready import Answer


class CartController(Controller):
    """Holds of flash promotions; the same below `/api`."""

    path = "/"
    tags = ("promos",)
    opt = {BASIC_FIRST: True}  # noqa: RUF012 - Litestar's attribute

    @post(
        ["/cart/reserve", "/api/cart/reserve"],
        guards=[claimed],
        operation_id="flash_cart_reserve",
        opt={ALSO: (200,), ERRORS: (403, 404), KEYED: True},
    )
    async def reserve(self, request: ApiRequest, claim: Claim, data: ReserveInput) -> Response[Hold]:
        """201 with a new hold; 200 with the one that the caller has already."""
        desk: HoldDesk = request.app.state.hold_desk
        hold, new = await desk.take(claim, data.promo_id, data.quantity)
        return Answer(hold, status_code=201 if new else 200)

    @put(
        ["/cart/checkout", "/api/cart/checkout"],
        guards=[signed_in],
        operation_id="flash_cart_checkout",
        opt={ERRORS: (404,), KEYED: True},
    )
    async def checkout(self, session: AsyncSession, state: State, user: Principal, data: CheckoutInput) -> Hold:
        hold = await HoldService(session).check_out(user, data.token, data.payment_method)
        touch_after_commit(session, state.live_board, hold.promo)
        return hold

    @put(
        ["/cart/cancel", "/api/cart/cancel"],
        guards=[signed_in],
        operation_id="flash_cart_cancel",
        opt={ERRORS: (404,), KEYED: True},
    )
    async def cancel(self, session: AsyncSession, state: State, user: Principal, data: TokenInput) -> Hold:
        hold = await HoldService(session).cancel(user, data.token)
        touch_after_commit(session, state.live_board, hold.promo)
        return hold
