"""Coupons as orders and carts show them."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.models import Coupon
from app.domain.marketing.queries.coupons import coupons
from app.domain.marketing.schemas.coupon_details import CouponDetails, details_of


async def coupon_details(session: AsyncSession, ids: Iterable[UUID | None]) -> dict[UUID, CouponDetails]:
    """Those of these coupons that there are, by id; one statement, and none for no coupon."""
    wanted = {each for each in ids if each is not None}
    if not wanted:
        return {}
    rows = await session.execute(coupons().where(Coupon.id.in_(wanted)))
    return {row.id: details_of(row) for row in rows}
