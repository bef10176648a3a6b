"""A coupon that an order takes after its creation."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.marketing.queries.coupons import uses
from app.domain.marketing.service.coupon_desk import usage_of
from app.domain.marketing.service.coupons import CouponExhausted, CouponService
from app.domain.marketing.service.price_rules import RuleService, coupon_of
from app.domain.orders.models import Order, OrderItem
from app.domain.orders.schemas.coupons import CouponApplied
from app.domain.orders.service.life import FREE, OrderLife
from app.domain.orders.service.prices import Promised, PromisedPrices
from app.domain.pricing.rules.coupons import refusal_of
from app.domain.pricing.rules.quotes import CouponOutcome, CouponRefusal
from app.errors import NotFound, Refused
from app.http.principal import Principal
from app.settings import Settings

NOT_ALLOWED = "El cupón solo se aplica a un pedido propio y pendiente que no tenga otro"
OF_PROMOTION = "Un pedido de una promoción no lleva cupón"


class OrderCoupons:
    """Writes in the caller's transaction; the order is locked before the coupon."""

    def __init__(self, session: AsyncSession, settings: Settings, user: Principal) -> None:
        self.session = session
        self.settings = settings
        self.user = user

    async def apply(self, coupon_id: UUID, order_id: int) -> CouponApplied:
        """The order bears the coupon, at what it takes off the prices that the order promised; twice is once.

        Raises NotFound for an unknown coupon or order and for somebody else's; Refused for an order that is not the
        caller's own, pending and without a coupon, for one that gave its use back, and for a coupon that is not good
        for it; CouponExhausted.
        """
        order = await self._locked(order_id)
        row = await RuleService(self.session).coupon(order.user_id, coupon_id=coupon_id)
        if row is None:
            raise NotFound
        if order.coupon_id != coupon_id:
            self._check(order)
            _check(refusal_of(coupon_of(row), row.now))
            await self._take(order, coupon_id)
        return await self._use(coupon_id, order_id)

    async def _locked(self, order_id: int) -> Any:
        statement = select(*Order.__table__.columns).where(Order.id == order_id).with_for_update()
        order = (await self.session.execute(statement)).one_or_none()
        if order is None or not (self.user.is_admin or order.user_id == self.user.id):
            raise NotFound
        return order

    def _check(self, order: Any) -> None:
        if order.store_id is not None:
            raise Refused(OF_PROMOTION, code="promotion_order")
        own = order.user_id == self.user.id
        if not own or order.status != "pending" or order.coupon_id is not None or order.is_temporary:
            raise Refused(NOT_ALLOWED, code="coupon_not_allowed")

    async def _take(self, order: Any, coupon_id: UUID) -> None:
        off = await self._amount_off(order, coupon_id)
        total = order.subtotal - order.bulk_promotion_discount - off
        values = {"coupon_id": coupon_id, "discount": off, "total": total, "updated_at": func.clock_timestamp()}
        if not total:
            # It locks the buyer's profile, which comes before coupons.
            await OrderLife(self.session).move(order.id, "paid", by=self.user.id, cause=FREE, from_="pending")
        service = CouponService(self.session)
        await service.take(coupon_id, order.id, order.user_id, off, purchase_amount=order.subtotal)
        await self.session.execute(update(Order).where(Order.id == order.id).values(values))
        changes = {"coupon": [None, str(coupon_id)], "discount": [order.discount, off], "total": [order.total, total]}
        deed = Deed(object_id=order.id, description=f"Cupón aplicado al pedido {order.id}", changes=changes)
        await ActivityService(self.session).write(self.user, "update", "order", deed)

    async def _amount_off(self, order: Any, coupon_id: UUID) -> Decimal:
        """What the coupon takes off the order's own prices. Raises Refused."""
        columns = (OrderItem.product_id, OrderItem.quantity, OrderItem.price, OrderItem.pool_ids)
        statement = select(*columns).where(OrderItem.order_id == order.id).order_by(OrderItem.id)
        lines = [
            Promised(row.product_id, tuple(sorted(row.pool_ids)), row.quantity, row.price)
            for row in await self.session.execute(statement)
        ]
        outcome = (await PromisedPrices(self.session, self.settings).sums(lines, coupon_id)).coupon
        if outcome is None:
            raise NotFound
        _check(outcome.refusal)
        return _within(order, outcome)

    async def _use(self, coupon_id: UUID, order_id: int) -> CouponApplied:
        use = (await self.session.execute(uses(coupon_id, order_id=order_id))).one_or_none()
        if use is None:
            raise Refused(NOT_ALLOWED, code="coupon_not_allowed")
        row = await RuleService(self.session).coupon(None, coupon_id=coupon_id)
        return CouponApplied("Cupón aplicado", 0 if row is None else row.used, usage_of(use))


def _within(order: Any, outcome: CouponOutcome) -> Decimal:
    """Promotions may have changed since the order was made: its own count, and nothing falls below zero."""
    left: Decimal = order.subtotal - order.bulk_promotion_discount
    return min(outcome.discount, left)


def _check(refusal: CouponRefusal | None) -> None:
    if refusal is None:
        return
    if refusal.code == "coupon_exhausted":
        raise CouponExhausted(refusal.message)
    raise Refused(refusal.message, code=refusal.code)
