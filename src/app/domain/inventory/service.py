"""Pools of stock: open, read, write, set aside, sell, give back. In the caller's transaction; commits nothing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inventory import queries
from app.domain.inventory.models import StockEntry, StockLocation, StockPool, StockSlot
from app.domain.inventory.rules import CALM_SLOTS, CONTENDED_SLOTS, EntryKind, Finding, spread
from app.domain.inventory.schemas import Count, Counted, HoldRow, PoolLeft


class NotEnough(Exception):
    """Fewer units are free than asked for; `free` says how many."""

    def __init__(self, free: int) -> None:
        self.free = free
        super().__init__(f"{free} units are free")


class Trade(msgspec.Struct, frozen=True):
    """Units that leave a pool for an order or, below zero, come back from one."""

    pool_id: int
    units: int
    cause: str


class TooFew(Exception):
    """Some pools of a trade have fewer units than were wanted of them; nothing was traded."""

    def __init__(self, short: Sequence[PoolLeft]) -> None:
        self.short = short
        super().__init__(", ".join(f"pool {pool.pool_id}: {pool.units} of {pool.wanted}" for pool in short))

    @classmethod
    def of(cls, units: Mapping[int, int], free: Mapping[int, int]) -> "TooFew | None":
        """What stands in the way of taking these units of these free ones, if anything does."""
        short = [
            PoolLeft(pool, free.get(pool, 0), wanted) for pool, wanted in units.items() if wanted > free.get(pool, 0)
        ]
        return cls(short) if short else None


class StockService:
    """Everything that changes stock outside of the claim engine."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def open_pool(self, units: int, *, slots: int = CALM_SLOTS, cause: str, at: int | None = None) -> int:
        """A new pool with its opening in the ledger; returns its id. `at` is a location, None the shop itself."""
        pool_id = await self._new_pool(units, slots, location_id=at)
        await self._enter(pool_id, units, "opening", cause)
        return pool_id

    async def open_pools(self, units: Sequence[int], *, cause: str) -> list[int]:
        """As many new pools of the shop, each with its units; their ids."""
        pools = list((await self.session.execute(queries.NEW_POOLS, {"count": len(units)})).scalars())
        slots = [{"pool_id": pool, "n": 0, "available": free} for pool, free in zip(pools, units, strict=True)]
        await self.session.execute(insert(StockSlot), slots)
        await self._enter_all((pool, free, "opening", cause) for pool, free in zip(pools, units, strict=True))
        return pools

    async def open_location(self, name: str) -> int:
        """A place where units are kept; returns its id."""
        statement = insert(StockLocation).values(name=name).returning(StockLocation.id)
        location_id: int = (await self.session.execute(statement)).scalar_one()
        return location_id

    async def name_location(self, location_id: int, name: str) -> None:
        await self.session.execute(update(StockLocation).where(StockLocation.id == location_id).values(name=name))

    async def free(self, pool_ids: Iterable[int]) -> dict[int, int]:
        """Units that can be sold now, by pool."""
        rows = await self.session.execute(queries.FREE, {"pools": list(pool_ids)})
        return {pool_id: int(units) for pool_id, units in rows}

    async def set_free(self, pool_id: int, units: int, *, cause: str) -> int:
        """Make `units` free and leave holds alone; returns the difference and writes nothing when it is 0.

        Takes every slot's lock, so it waits for claims under way and they for it.
        """
        difference = units - await self._gather(pool_id)
        if difference:
            await self._spread(pool_id, units)
            await self._enter(pool_id, difference, "adjustment", cause)
        if difference < 0:
            await self.lowered(pool_id)
        return difference

    async def add(self, pool_id: int, units: int, *, cause: str) -> int:
        """Add units, or take them for less than 0; what was free before. Holds are left alone. Raises NotEnough."""
        found = (await self.count([Count(pool_id, units, cause, more=True)]))[pool_id]
        if found.after < 0:
            raise NotEnough(found.before)
        return found.before

    async def count(self, counts: Sequence[Count]) -> dict[int, Counted]:
        """As `set_free` and `add`, many pools at once, each once; by pool. One that would have less than nothing stays
        as it is.
        """
        pools = {"pools": [one.pool_id for one in counts]}
        await self.session.execute(queries.GATHER, pools)
        free = {pool: int(units) for pool, units in await self.session.execute(queries.IN_SLOTS, pools)}
        found = {c.pool_id: Counted(free[c.pool_id], c.units + c.more * free[c.pool_id]) for c in counts}
        written = {pool: one for pool, one in found.items() if one.after >= 0 and one.after != one.before}
        values = {"pools": list(written), "units": [one.after for one in written.values()]}
        await self.session.execute(queries.SPREAD, values)
        causes = {one.pool_id: one.cause for one in counts}
        await self._enter_all((pool, n.after - n.before, "adjustment", causes[pool]) for pool, n in written.items())
        await self.lowered(*(pool for pool, n in written.items() if n.after < n.before))
        return found

    async def set_aside(self, pool_id: int, units: int, *, closes_at: datetime, cause: str) -> int:
        """Move units into a new pool that closes at an instant; returns its id. Raises NotEnough."""
        free = await self._gather(pool_id)
        if units > free:
            raise NotEnough(free)
        await self._spread(pool_id, free - units)
        child = await self._new_pool(units, CONTENDED_SLOTS, parent_id=pool_id, closes_at=closes_at)
        await self._enter(pool_id, -units, "set_aside", cause)
        await self._enter(child, units, "set_aside", cause)
        await self.lowered(pool_id)
        return child

    async def close_at(self, pool_id: int, closes_at: datetime | None) -> None:
        """Let a set-aside pool close at another instant; None is at once. Its parent has what is left from then on."""
        await self.session.execute(queries.CLOSE_AT, {"pool": pool_id, "closes_at": closes_at})

    async def record_sale(self, pool_id: int, units: int, *, cause: str) -> None:
        """Held units have left the shop for an order."""
        await self._enter(pool_id, -units, "sale", cause)

    async def take(self, units: Mapping[int, int], *, cause: str) -> list[PoolLeft]:
        """Take units of some pools for an order, all or nothing; what is left of each. Raises TooFew.

        Lines of one pool have been summed by the caller. A promotion's pool that has closed is taken from where its
        units went.
        """
        return await self.trade([Trade(pool_id, wanted, cause) for pool_id, wanted in units.items()])

    async def trade(self, trades: Sequence[Trade]) -> list[PoolLeft]:
        """Take and give back units of any pools in one statement, all or nothing; what is left of each. Raises TooFew.

        It locks pool by pool in the order of their ids, and holds before slots when it has to look for more: to be the
        last thing that a transaction locks, and only once in it.
        """
        if not trades:
            return []
        values = {
            "pools": [trade.pool_id for trade in trades],
            "units": [trade.units for trade in trades],
            "causes": [trade.cause[:200] for trade in trades],
        }
        rows = (await self.session.execute(queries.TRADE, values)).all()
        left = [PoolLeft(row.o_pool, row.o_units, row.o_wanted) for row in rows]
        if any(row.o_short for row in rows):
            raise TooFew(left)
        return left

    async def free_limits(self, order_ids: Sequence[int]) -> None:
        """Units that these orders bought of promotions no longer count against the buyers' limits."""
        await self.session.execute(queries.FREE_LIMITS, {"orders": list(order_ids)})

    async def count_again(self, order_id: int) -> None:
        """They count again: the order stands after all."""
        await self.session.execute(queries.COUNT_AGAIN, {"order": order_id})

    async def lowered(self, *pool_ids: int) -> None:
        """These pools are to be looked at by whoever tells of scarce stock; of a trade its caller says so."""
        if pool_ids:
            await self.session.execute(queries.LOWERED, {"pools": list(pool_ids)})

    async def to_look_at(self, limit: int) -> list[int]:
        """Pools that were lowered, each told once, up to so many; and always those of which somebody holds units."""
        return list((await self.session.execute(queries.TO_LOOK_AT, {"limit": limit})).scalars())

    async def sweep_expired(self, limit: int = 1000) -> int:
        """End up to `limit` due holds that nobody else works on; returns how many. A reader sees no change."""
        return int((await self.session.execute(queries.SWEEP, {"limit": limit})).scalar_one())

    async def settle_closed_pools(self, limit: int = 100) -> int:
        """Settle the parents of up to `limit` closed pools; returns how many pools were looked at.

        All in one call: it locks holds before slots, and a second pool's holds would come after the first one's slots.
        """
        parents = (await self.session.execute(queries.CLOSED_PARENTS, {"limit": limit})).scalars().all()
        if parents:
            await self.session.execute(queries.GATHER, {"pools": list(parents)})
        return len(parents)

    async def hold(self, token: UUID, user_id: int) -> HoldRow | None:
        """A buyer's own reservation by its token, in whatever state."""
        row = (await self.session.execute(queries.HOLD, {"token": token, "user": user_id})).one_or_none()
        return None if row is None else HoldRow(*row)

    async def confirm(self, token: UUID, user_id: int, order_id: int) -> bool:
        """End a live hold as bought by an order; False when it is not live. One guarded statement: one caller wins."""
        result = await self.session.execute(queries.CONFIRM, {"token": token, "user": user_id, "order": order_id})
        return result.scalar_one_or_none() is not None

    async def cancel(self, token: UUID, user_id: int) -> bool:
        """End a hold (cancelled, or expired when its time was over), units back; False when it had ended."""
        row = (await self.session.execute(queries.CANCEL, {"token": token, "user": user_id})).one_or_none()
        if row is None:
            return False
        await self.session.execute(queries.PUT, {"pool": row.pool_id, "units": row.quantity})
        return True

    async def _gather(self, pool_id: int) -> int:
        """Lock the pool's slots with everything that can be sold in them; returns the units."""
        return int((await self.session.execute(queries.GATHER, {"pools": [pool_id]})).scalar_one())

    async def _new_pool(self, units: int, slots: int, **columns: Any) -> int:
        statement = insert(StockPool).values(**columns).returning(StockPool.id)
        pool_id: int = (await self.session.execute(statement)).scalar_one()
        rows = [{"pool_id": pool_id, "n": n, "available": part} for n, part in enumerate(spread(units, slots))]
        await self.session.execute(insert(StockSlot), rows)
        return pool_id

    async def _spread(self, pool_id: int, units: int) -> None:
        await self.session.execute(select(func.stock_spread(pool_id, units)))

    async def _enter(self, pool_id: int, delta: int, kind: EntryKind, cause: str) -> None:
        await self._enter_all([(pool_id, delta, kind, cause)])

    async def _enter_all(self, entries: Iterable[tuple[int, int, EntryKind, str]]) -> None:
        rows = [
            {"pool_id": pool_id, "delta": delta, "kind": kind, "cause": cause[:200]}
            for pool_id, delta, kind, cause in entries
            if delta
        ]
        if rows:
            await self.session.execute(insert(StockEntry), rows)


async def audit(session: AsyncSession) -> tuple[int, Sequence[Finding]]:
    """Prove for every pool that the sum of its ledger is its slots plus its holds; returns (pools, what differs).

    One statement, so one snapshot: running shops do not disturb it.
    """
    rows = (await session.execute(queries.AUDIT)).all()
    pools = int((await session.execute(text("SELECT count(*) FROM stock_pool"))).scalar_one())
    return pools, [Finding(*row) for row in rows]
