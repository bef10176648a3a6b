"""The lines of a pending order under the hands of staff: stock and sums follow."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.inventory.service import StockService, TooFew, Trade
from app.domain.marketing.service.coupons import CouponService
from app.domain.orders import rules
from app.domain.orders.models import Order, OrderItem
from app.domain.orders.schemas.inputs import OrderItemPatch
from app.domain.orders.service.life import FREE, OrderLife
from app.domain.orders.service.prices import Promised, PromisedPrices
from app.domain.orders.service.reading import UNKNOWN
from app.domain.orders.service.stock import refusal_of
from app.errors import NotFound, Refused
from app.http.principal import Principal
from app.settings import Settings

T = TypeVar("T")


class ItemEditor:
    """Changes lines in the caller's transaction, as `actor`."""

    def __init__(self, session: AsyncSession, settings: Settings, actor: Principal) -> None:
        self.session = session
        self.settings = settings
        self.actor = actor

    async def change(self, order_id: int, patches: Sequence[OrderItemPatch], read: Callable[[int], Awaitable[T]]) -> T:
        """Quantities as they are sent, 0 removes; the order's price of a unit stays. Read before stock is locked.

        Raises NotFound, NotPending, Refused for a line that is not the order's or when none would be left, Outrun.
        """
        order = await self._locked(order_id)
        lines = await self._lines(order_id)
        wanted = _wanted(lines, patches)
        changed = [line for line in lines if wanted[line.id] != line.quantity]
        if changed:
            total = await self._write(order, lines, wanted)
            await self._log(order_id, changed, wanted)
            if not total:
                # There is no way to pay for nothing: it is paid, as it would be at its creation.
                await OrderLife(self.session).move(order_id, "paid", by=self.actor.id, cause=FREE, from_="pending")
        answer = await read(order_id)
        if order.holds_stock:
            await self._trade(order_id, changed, wanted)
        return answer

    async def _locked(self, order_id: int) -> Any:
        statement = select(*Order.__table__.columns).where(Order.id == order_id).with_for_update()
        order = (await self.session.execute(statement)).one_or_none()
        if order is None:
            raise NotFound(UNKNOWN)
        if order.status != "pending":
            raise rules.NotPending
        if order.store_id is not None:
            raise Refused("Un pedido de una promoción no se modifica", code="promotion_order")
        return order

    async def _lines(self, order_id: int) -> Sequence[Any]:
        columns = (OrderItem.id, OrderItem.product_id, OrderItem.quantity, OrderItem.price, OrderItem.pool_ids)
        statement = select(*columns).where(OrderItem.order_id == order_id).order_by(OrderItem.id)
        return (await self.session.execute(statement)).all()

    async def _write(self, order: Any, lines: Sequence[Any], wanted: Mapping[int, int]) -> Decimal:
        """What the order costs now."""
        gone = [line.id for line in lines if not wanted[line.id]]
        if gone:
            await self.session.execute(delete(OrderItem).where(OrderItem.id.in_(gone)))
        for line in lines:
            if wanted[line.id] and wanted[line.id] != line.quantity:
                statement = update(OrderItem).where(OrderItem.id == line.id).values(quantity=wanted[line.id])
                await self.session.execute(statement)
        return await self._sum_up(order, [(line, wanted[line.id]) for line in lines if wanted[line.id]])

    async def _sum_up(self, order: Any, kept: Sequence[tuple[Any, int]]) -> Decimal:
        """New sums at the prices that were promised: promotions by quantity as they are now, the order's own coupon."""
        prices = PromisedPrices(self.session, self.settings)
        lines = [Promised(line.product_id, tuple(sorted(line.pool_ids)), units, line.price) for line, units in kept]
        sums = await prices.sums(lines, order.coupon_id)
        if sums.subtotal > rules.LARGEST:
            raise rules.too_large()
        values = {
            "subtotal": sums.subtotal,
            "bulk_promotion_discount": sums.bulk_promotion_discount,
            "discount": sums.discount,
            "total": sums.total,
        }
        statement = update(Order).where(Order.id == order.id)
        await self.session.execute(statement.values(updated_at=func.clock_timestamp(), **values))
        if order.coupon_id is not None:
            await CouponService(self.session).restate(order.id, sums.discount, sums.subtotal)
        return sums.total

    async def _trade(self, order_id: int, changed: Sequence[Any], wanted: Mapping[int, int]) -> None:
        units: Counter[int] = Counter()
        for line in changed:
            for pool_id in line.pool_ids:
                units[pool_id] += wanted[line.id] - line.quantity
        trades = [Trade(pool_id, more, f"order {order_id}") for pool_id, more in units.items() if more]
        stock = StockService(self.session)
        try:
            left = await stock.trade(trades)
        except TooFew as error:
            raise await refusal_of(self.session, error) from error
        await stock.lowered(*(pool.pool_id for pool in left if pool.wanted > 0))

    async def _log(self, order_id: int, changed: Sequence[Any], wanted: Mapping[int, int]) -> None:
        changes = {f"item {line.id}": [line.quantity, wanted[line.id]] for line in changed}
        deed = Deed(object_id=order_id, description=f"Productos del pedido {order_id} modificados", changes=changes)
        await ActivityService(self.session).write(self.actor, "update", "order", deed)


def _wanted(lines: Sequence[Any], patches: Sequence[OrderItemPatch]) -> dict[int, int]:
    """The quantity of each line. Raises Refused."""
    wanted = {line.id: int(line.quantity) for line in lines}
    for patch in patches:
        if patch.id not in wanted:
            raise Refused(f"El producto {patch.id} no es de este pedido", code="unknown_item")
        wanted[patch.id] = patch.quantity
    if not any(wanted.values()):
        raise Refused("Un pedido necesita al menos un producto", code="no_items")
    return wanted
