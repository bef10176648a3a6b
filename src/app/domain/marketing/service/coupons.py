"""Uses of coupons: taken with an order, given back with it."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.queries import coupons as queries
from app.errors import Conflict, Refused

_REFUSALS = {
    "unknown": "El cupón no existe",
    "inactive": "El cupón no está activo",
    "expired": "El cupón está vencido",
    "other": "El pedido ya tiene otro cupón",
}


class CouponExhausted(Conflict):
    """El cupón ya no tiene usos disponibles"""

    key = "error"
    code = "coupon_exhausted"


class CouponService:
    """Takes uses of coupons in the caller's transaction; locks the coupon, so after orders and before stock."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def take(
        self,
        coupon_id: UUID,
        order_id: int,
        user_id: int | None,
        amount: Decimal,
        *,
        purchase_amount: Decimal | None = None,
    ) -> None:
        """A use of the coupon belongs to the order; when it does already, nothing happens.

        `amount` is what the coupon takes off, `purchase_amount` what was bought, before any promotion. The order may be
        written later in the same transaction. Raises CouponExhausted when the last use is gone, the coupon's or the
        buyer's; Refused for a coupon that is unknown, off or over, and for an order that bears another one.
        """
        await self._take(coupon_id, order_id, user_id, amount, purchase_amount or Decimal(0), again=False)

    async def take_again(self, order_id: int) -> None:
        """The use that an order gave back belongs to it again; nothing happens when it has none or has it.

        Whether the coupon is still on is not asked: it was when the order was made. Raises CouponExhausted.
        """
        last = (await self.session.execute(queries.LAST_USE, {"order": order_id})).one_or_none()
        if last is not None:
            amounts = last.discount_amount, last.purchase_amount
            await self._take(last.coupon_id, order_id, last.user_id, *amounts, again=True)

    async def restate(self, order_id: int, amount: Decimal, purchase_amount: Decimal) -> None:
        """What an order's live use takes off, and of what, after a change of the order, which the caller has locked."""
        values = {"order": order_id, "discount": amount, "purchase": purchase_amount}
        await self.session.execute(queries.RESTATE, values)

    async def give_back(self, *order_ids: int) -> int:
        """The uses of these orders can be taken by others; how many there were. Asking twice is asking once."""
        given = await self.session.execute(queries.GIVE_BACK, {"orders": list(order_ids)})
        return int(given.scalar_one())

    async def _take(
        self, coupon_id: UUID, order_id: int, user_id: int | None, amount: Decimal, purchase: Decimal, *, again: bool
    ) -> None:
        values = {
            "coupon": coupon_id,
            "order": order_id,
            "user": user_id,
            "discount": amount,
            "purchase": purchase,
            "again": again,
        }
        verdict: str = (await self.session.execute(queries.TAKE, values)).scalar_one()
        if verdict.startswith("exhausted"):
            raise CouponExhausted
        if verdict != "taken":
            raise coupon_refusal(verdict)


def coupon_refusal(verdict: str) -> Refused:
    """Why a coupon is not taken: unknown (as one that was deleted since it was looked at), inactive, expired, other."""
    return Refused(_REFUSALS[verdict], code=f"coupon_{verdict}")
