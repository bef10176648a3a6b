"""How an order moves, and what a move causes: after its creation its status is written here alone."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService
from app.domain.inventory.service import StockService, TooFew, Trade
from app.domain.marketing.service.coupons import CouponExhausted, CouponService
from app.domain.orders.models import OrderEvent
from app.domain.orders.queries import life as queries
from app.domain.orders.service.buyers import mark_buyer
from app.domain.orders.service.stock import refusal_of
from app.domain.orders.states import STATUSES, Status, sources_of
from app.jobs.queue import defer

EXPIRED = "expired"
SILENCE = "silence"
FREE = "free"
# What a customer is told by mail when an order becomes this.
_MAILS: dict[str, str] = {"paid": "payment_received", "shipped": "order_shipped"}
# Moves that payments and the clock cause are logged here; what somebody asks for is logged where it was asked.
_OF_ITSELF = frozenset({"payment_started", "payment", "late_payment", "refunded", "charged_back", EXPIRED, FREE})
# An order that is one of these has given back what it took.
_LET_GO = frozenset({"cancelled", "abandoned"})
_BUYS = frozenset({"paid", "shipped", *_LET_GO})


class Moved(msgspec.Struct, frozen=True):
    """An order after its move, as the guarded statement returned it."""

    id: int
    user_id: int | None
    coupon_id: Any
    holds_stock: bool
    is_temporary: bool


class OrderLife:
    """Moves orders in the caller's transaction. A move happens once: who comes second is told that it did not."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.stock = StockService(session)

    async def move(
        self,
        order_id: int,
        to: Status,
        *,
        by: int | None,
        cause: str,
        from_: Status | Sequence[Status] | None = None,
        quiet: bool = False,
    ) -> bool:
        """Make an order `to`; whether that happened. One conditional UPDATE decides, so of several at once one wins.

        Without `from_` the table of moves says from which statuses; with it, those alone count, and the caller answers
        for them. `by` is the user who did it, if any; `cause` a word for the timeline. After False nothing has changed.

        What a move causes is done here, in the same transaction: the entry of the timeline; for `cancelled` and
        `abandoned` stock and coupon back, exactly once; for `paid` and `shipped` the time of the payment and the
        buyer's figures; the customer's mail and push as jobs. Stock is locked last: call this after everything else
        that locks, and payments before orders. An abandoned order that comes back takes its stock again, and Outrun is
        raised when it is gone. `quiet` sends nothing to the customer.
        """
        moved = await self._moved(order_id, to, sources_of(to) if from_ is None else _listed(from_))
        if moved is None:
            return False
        await self._record(moved, to, by, cause)
        await self._mark(moved, to)
        if not quiet:
            await self._tell(moved, to)
        await self._settle(moved, to)
        return True

    async def cancel(self, order_id: int, *, by: int | None, cause: str = "cancelled") -> bool:
        """A pending order is cancelled, stock and coupon back; False when it is not pending."""
        return await self.move(order_id, "cancelled", by=by, cause=cause, from_="pending")

    async def expire_unpaid(self, limit: int, *, minutes: int, cash_hours: int) -> int:
        """Cancel up to `limit` orders whose time to pay is over, with the cause `expired`; how many.

        Those that somebody else works on are passed over, until the next time.
        """
        values = {"limit": limit, "minutes": minutes, "hours": cash_hours, "cause": EXPIRED}
        ids = (await self.session.execute(queries.UNPAID, values)).scalars().all()
        return len(await self._end(ids, "cancelled", ("pending", "payment_pending"), None, EXPIRED))

    async def abandon(self, limit: int, *, minutes: int, temporary_only: bool, by: int | None) -> list[int]:
        """Abandon up to `limit` pending orders that nobody has touched for so many minutes; which.

        What they took goes back. Those that somebody else works on are passed over. The customer is not told.
        """
        values = {"limit": limit, "minutes": minutes, "temporary_only": temporary_only}
        ids = (await self.session.execute(queries.LEFT, values)).scalars().all()
        return await self._end(ids, "abandoned", ("pending",), by, SILENCE)

    async def _end(
        self, ids: Sequence[int], to: Status, sources: Sequence[Status], by: int | None, cause: str
    ) -> list[int]:
        """Move several unpaid orders to where nothing is held any more; what they took goes back in one call.

        Nobody bought by them, so that no buyer's figures change: profiles are not locked here, in whichever order.
        """
        gone: list[Moved] = []
        for order_id in ids:
            moved = await self._moved(order_id, to, sources)
            if moved is not None:
                await self._record(moved, to, by, cause)
                if to == "cancelled":
                    await self._tell(moved, to)
                gone.append(moved)
        await self._let_go(gone)
        return [moved.id for moved in gone]

    async def revive(self, order_id: int) -> bool:
        """An order that ran out unpaid, and whose payment arrived after all, becomes `paid`.

        Its stock and its coupon are taken again. False, and nothing has changed, when one of them is gone, or when the
        order is not cancelled or was cancelled by somebody: then the money has to go back.
        """
        try:
            async with self.session.begin_nested():
                row = (await self.session.execute(queries.REVIVE, {"id": order_id, "cause": EXPIRED})).one_or_none()
                if row is None:
                    return False
                moved = Moved(*row)
                await self._record(moved, "paid", None, "late_payment")
                await self._mark(moved, "paid")
                await self._tell(moved, "paid")
                await self._take_again(moved)
        except (TooFew, CouponExhausted):
            return False
        return True

    async def release(self, order_id: int) -> None:
        """An order about to be deleted: stock and coupon go back, unless they have, and its buyer has bought less."""
        await self.move(order_id, "cancelled", by=None, cause="deleted", from_=STATUSES, quiet=True)

    async def _moved(self, order_id: int, to: Status, sources: Sequence[Status]) -> Moved | None:
        values = {"id": order_id, "to": to, "sources": list(sources)}
        row = (await self.session.execute(queries.MOVE, values)).one_or_none()
        return None if row is None else Moved(*row)

    async def _record(self, moved: Moved, to: Status, by: int | None, cause: str) -> None:
        """The entries of the timeline and, of what came of itself, of the log."""
        if cause in _OF_ITSELF:
            await self._log(moved.id, to, by)
        event = {"order_id": moved.id, "status": to, "by_id": by, "cause": cause}
        await self.session.execute(insert(OrderEvent).values(event))

    async def _mark(self, moved: Moved, to: Status) -> None:
        """The buyer's figures."""
        if to in _BUYS and moved.user_id is not None:
            await mark_buyer(self.session, moved.user_id)

    async def _log(self, order_id: int, to: Status, by: int | None) -> None:
        """What the order was is the last entry of its timeline."""
        was = await self.session.scalar(queries.LAST_STATUS, {"id": order_id})
        await ActivityService(self.session).record(
            actor_id=by,
            action="status_change",
            description=f"Pedido {order_id}: de {was} a {to}",
            content_type="order",
            object_id=order_id,
            changes={"status": [was, to]},
        )

    async def _tell(self, moved: Moved, to: Status) -> None:
        """The customer's push and mail, as jobs."""
        if moved.is_temporary:
            return
        await defer(self.session, "notifications:order_moved", order_id=moved.id)
        if kind := _MAILS.get(to):
            await defer(self.session, "send_order_mail", order_id=moved.id, kind=kind)

    async def _settle(self, moved: Moved, to: Status) -> None:
        """Stock and coupon follow the status: given back, or taken again by an order that had let them go."""
        if to in _LET_GO:
            await self._let_go([moved])
        elif to != "archived" and not moved.holds_stock and not moved.is_temporary:
            try:
                await self._take_again(moved)
            except TooFew as error:
                raise await refusal_of(self.session, error) from error

    async def _let_go(self, orders: Sequence[Moved]) -> None:
        """Coupons back, then stock; of all orders in one call, since stock is locked pool by pool."""
        holding = [order.id for order in orders if order.holds_stock]
        if not holding:
            return
        ids = (await self.session.execute(queries.LET_GO, {"ids": holding})).scalars().all()
        await self.stock.free_limits(ids)
        if any(order.coupon_id is not None for order in orders):
            await CouponService(self.session).give_back(*ids)
        await self.stock.trade(await self._trades(ids, sign=-1))

    async def _take_again(self, order: Moved) -> None:
        """Stock and coupon of an order that had let them go. Raises TooFew, Conflict."""
        await self.stock.count_again(order.id)
        await self.session.execute(queries.HOLD_STOCK, {"id": order.id})
        if order.coupon_id is not None:
            await CouponService(self.session).take_again(order.id)
        left = await self.stock.trade(await self._trades([order.id], sign=1))
        await self.stock.lowered(*(pool.pool_id for pool in left))

    async def _trades(self, order_ids: Sequence[int], *, sign: int) -> list[Trade]:
        rows = await self.session.execute(queries.TAKEN, {"ids": list(order_ids)})
        return [Trade(pool_id, sign * int(units), f"order {order_id}") for order_id, pool_id, units in rows]


def _listed(statuses: Status | Sequence[Status]) -> Sequence[Status]:
    return (statuses,) if isinstance(statuses, str) else statuses
