"""Holds as the stock sees them: taken from slots, confirmed, cancelled, swept, each exactly once."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.inventory.rules import CONTENDED_SLOTS, spread
from app.domain.inventory.service import StockService
from tests.inventory.stockroom import Stockroom


async def take(room: Stockroom, pool: int, quantities: list[int], *, patient: bool) -> list[bool]:
    """Taken and put back on the ledger's side, so that the units are accounted for as sold."""
    statement = "SELECT stock_take(:pool, CAST(:wanted AS integer[]), :patient)"
    ((verdicts,),) = await room.run(statement, pool=pool, wanted=quantities, patient=patient)
    taken = sum(units for units, got in zip(quantities, verdicts, strict=True) if got)
    await room.stock.record_sale(pool, taken, cause="test")
    await room.db.commit()
    return list(verdicts)


@pytest.mark.parametrize("patient", [False, True])
@pytest.mark.parametrize(
    ("stock", "wanted", "verdicts"),
    [
        (0, [1], [False]),
        (1, [1], [True]),
        (16, [16], [True]),
        (16, [1] * 16, [True] * 16),
        (16, [1] * 17, [True] * 16 + [False]),
        (10, [11, 10], [False, True]),
        (10, [3, 9, 7, 1], [True, False, True, False]),
        (40, [40], [True]),
        (40, [41], [False]),
        (5, [2**31 - 1, 5], [False, True]),
        (0, [1, 2, 3], [False, False, False]),
    ],
)
async def test_units_are_taken_in_order_of_arrival(
    room: Stockroom, stock: int, wanted: list[int], verdicts: list[bool], patient: bool
) -> None:
    pool = await room.pool(stock, CONTENDED_SLOTS)
    assert await take(room, pool, wanted, patient=patient) == verdicts
    taken = sum(units for units, got in zip(wanted, verdicts, strict=True) if got)
    assert sum(await room.slots(pool)) == stock - taken


@pytest.mark.parametrize("units", [0, 1, 7, 16, 17, 1000, 2**31 - 1])
async def test_the_sql_spreads_as_the_rule(unchecked_room: Stockroom, units: int) -> None:
    pool = await unchecked_room.pool(5, CONTENDED_SLOTS)
    await unchecked_room.run("SELECT stock_spread(:pool, :units)", pool=pool, units=units)
    assert await unchecked_room.slots(pool) == spread(units, CONTENDED_SLOTS)


async def test_a_hold_is_read_by_its_holder_alone(room: Stockroom) -> None:
    pool = await room.pool(5)
    token = await room.hold(pool, 2, user=7)
    row = await room.stock.hold(token, 7)
    assert row is not None
    assert (row.pool_id, row.quantity, row.status, row.order_id) == (pool, 2, "held", None)
    assert await room.stock.hold(token, 8) is None
    assert await room.stock.hold(uuid4(), 7) is None


async def test_confirming_is_once_and_in_time(room: Stockroom) -> None:
    pool = await room.pool(5)
    token, late = await room.hold(pool, 2), await room.hold(pool, 1, seconds=-1)
    assert await room.stock.confirm(token, 2, order_id=1) is False
    assert await room.stock.confirm(late, 1, order_id=1) is False
    assert [await room.stock.confirm(token, 1, order_id=order) for order in (11, 12)] == [True, False]
    await room.stock.record_sale(pool, 2, cause="test")
    row = await room.stock.hold(token, 1)
    assert row is not None
    assert (row.status, row.order_id) == ("confirmed", 11)
    assert await room.stock.cancel(token, 1) is False
    await room.db.commit()
    assert await room.free(pool) == [3]


@pytest.mark.parametrize(("seconds", "status"), [(60, "cancelled"), (-1, "expired")])
async def test_cancelling_gives_back_once(room: Stockroom, seconds: float, status: str) -> None:
    pool = await room.pool(5, CONTENDED_SLOTS)
    token = await room.hold(pool, 3, seconds=seconds)
    assert await room.stock.cancel(token, 2) is False
    assert [await room.stock.cancel(token, 1) for _ in range(3)] == [True, False, False]
    row = await room.stock.hold(token, 1)
    assert row is not None
    assert row.status == status
    await room.db.commit()
    assert sum(await room.slots(pool)) == 5


async def test_the_sweep_ends_what_is_over_and_only_once(room: Stockroom) -> None:
    pools = [await room.pool(5, slots) for slots in (1, CONTENDED_SLOTS)]
    for pool in pools:
        for _ in range(3):
            await room.hold(pool, 1, seconds=-1)
    live = await room.hold(pools[0], 1)
    before = await room.free(*pools)
    assert [await room.stock.sweep_expired(limit=4) for _ in range(4)] == [4, 2, 0, 0]
    await room.db.commit()
    assert await room.free(*pools) == before == [4, 5]
    assert [sum(await room.slots(pool)) for pool in pools] == [4, 5]
    assert await room.run("SELECT status, count(*) FROM reservation_finished GROUP BY status") == [("expired", 6)]
    row = await room.stock.hold(live, 1)
    assert row is not None
    assert row.status == "held"


async def test_the_sweep_leaves_alone_what_somebody_works_on(
    room: Stockroom, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """Neither the hold nor the slot that another transaction has locked keeps it waiting."""
    pool = await room.pool(5, CONTENDED_SLOTS)
    first, _ = await room.hold(pool, 1, seconds=-1), await room.hold(pool, 1, seconds=-1)
    async with sessions() as other, other.begin():
        assert await StockService(other).cancel(first, 1)
        await room.db.execute(text("SET LOCAL lock_timeout = '2s'"))
        assert await room.stock.sweep_expired() == 1
        await room.db.commit()
    assert await room.stock.sweep_expired() == 0
    await room.db.commit()
    assert await room.free(pool) == [5]


async def test_slots_never_go_below_zero(room: Stockroom) -> None:
    pool = await room.pool(1)
    with pytest.raises(Exception, match="ck_stock_slot_available_not_negative"):
        await room.run("UPDATE stock_slot SET available = available - 2 WHERE pool_id = :pool", pool=pool)
    await room.db.rollback()
