"""`/api/marketing/coupons/{id}/apply/`: a coupon for an order that exists."""

from litestar import Controller, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders.schemas.coupons import CouponApplied, CouponApplyInput
from app.domain.orders.service.coupons import OrderCoupons
from app.http.guards import signed_in
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal
from app.http.query import uuid_of

Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class OrderCouponController(Controller):
    """Everybody for the own orders."""

    path = "/api/marketing/coupons/{id:str}/apply"
    tags = ("coupons",)

    @post(
        "/",
        guards=[signed_in],
        operation_id="coupons_apply",
        status_code=200,
        opt={KEYED: True, ERRORS: (400, 404, 409)},
    )
    async def apply(
        self,
        session: Session,
        state: State,
        user: User,
        id: str,  # noqa: A002 - the path's name
        data: CouponApplyInput,
    ) -> CouponApplied:
        """The order bears the coupon from now on, and its use; asking twice is asking once."""
        return await OrderCoupons(session, state.settings, user).apply(uuid_of(id), data.order_id)
