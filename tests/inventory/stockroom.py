"""Pools, holds and what lies where, for tests of the stock without any promotion."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inventory.service import StockService, Trade

HOUR = dt.timedelta(hours=1)
HELD = """
    INSERT INTO reservation (pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at)
    VALUES (:pool, :promo, 1, :user, :token, :units, 10, clock_timestamp() + make_interval(secs => :seconds))
"""


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class Stockroom:
    """Every call is committed."""

    db: AsyncSession

    @property
    def stock(self) -> StockService:
        return StockService(self.db)

    async def run(self, statement: str, **values: Any) -> Any:
        result = await self.db.execute(text(statement), values)
        rows = result.all() if result.returns_rows else []
        await self.db.commit()
        return rows

    async def pool(self, units: int, slots: int = 1) -> int:
        pool_id = await self.stock.open_pool(units, slots=slots, cause="test")
        await self.db.commit()
        return pool_id

    async def child(self, parent: int, units: int, closes_at: dt.datetime | None = None) -> int:
        child = await self.stock.set_aside(parent, units, closes_at=closes_at or now() + HOUR, cause="test")
        await self.db.commit()
        return child

    async def give_back(self, pool_id: int, units: int) -> int:
        """Units of an order that is cancelled; the pool that got them."""
        (left,) = await self.stock.trade([Trade(pool_id, -units, "test")])
        await self.db.commit()
        return left.pool_id

    async def close(self, pool_id: int) -> None:
        await self.stock.close_at(pool_id, None)
        await self.db.commit()

    async def hold(self, pool_id: int, units: int, *, seconds: float = 60, user: int = 1) -> Any:
        """Units taken as a claim takes them; returns the token."""
        token = uuid4()
        (taken,) = await self.run(
            "SELECT stock_take(:pool, ARRAY[CAST(:units AS integer)], true)", pool=pool_id, units=units
        )
        assert taken == ([True],)
        promo = uuid4().int % 10**9
        await self.run(HELD, pool=pool_id, promo=promo, user=user, token=token, units=units, seconds=seconds)
        return token

    async def slots(self, pool_id: int) -> list[int]:
        rows = await self.run("SELECT available FROM stock_slot WHERE pool_id = :pool ORDER BY n", pool=pool_id)
        return [units for (units,) in rows]

    async def ledger(self, pool_id: int) -> list[tuple[int, str]]:
        rows = await self.run("SELECT delta, kind FROM stock_ledger WHERE pool_id = :pool ORDER BY id", pool=pool_id)
        return [tuple(row) for row in rows]

    async def free(self, *pool_ids: int) -> list[int]:
        found = await self.stock.free(pool_ids)
        await self.db.commit()
        return [found[pool_id] for pool_id in pool_ids]

    async def settled(self, pool_id: int) -> bool:
        ((settled,),) = await self.run("SELECT settled_at IS NOT NULL FROM stock_pool WHERE id = :pool", pool=pool_id)
        return bool(settled)
