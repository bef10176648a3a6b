"""Pools: opened, read, written, set aside, closed, settled, given back to."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.inventory.rules import CONTENDED_SLOTS, Finding
from app.domain.inventory.schemas import PoolLeft
from app.domain.inventory.service import NotEnough, StockService, TooFew, Trade, audit
from app.http.fields import INT4_MAX
from tests.inventory.stockroom import HOUR, Stockroom, now


@pytest.mark.parametrize(("units", "slots"), [(0, 1), (0, 16), (1, 16), (18, 16), (INT4_MAX, 1), (INT4_MAX, 16)])
async def test_opening(room: Stockroom, units: int, slots: int) -> None:
    pool = await room.pool(units, slots)
    lie = await room.slots(pool)
    assert (len(lie), sum(lie), max(lie) - min(lie) <= 1) == (slots, units, True)
    assert await room.ledger(pool) == ([(units, "opening")] if units else [])
    assert await room.free(pool) == [units]


async def test_free_of_many_at_once(room: Stockroom) -> None:
    pools = [await room.pool(units) for units in (3, 0, 8)]
    assert await room.free(*pools) == [3, 0, 8]
    assert await room.stock.free([]) == {}


async def test_writing_makes_so_many_free_and_leaves_holds_alone(room: Stockroom) -> None:
    pool = await room.pool(10, CONTENDED_SLOTS)
    await room.hold(pool, 4)
    for wanted, difference in ((2, -4), (9, 7), (0, -9), (5, 5)):
        assert await room.stock.set_free(pool, wanted, cause="test") == difference
        await room.db.commit()
        assert await room.free(pool) == [wanted]
        lie = await room.slots(pool)
        assert (sum(lie), max(lie) - min(lie) <= 1) == (wanted, True)
    assert await room.ledger(pool) == [
        (10, "opening"),
        *((change, "adjustment") for change in (-4, 7, -9, 5)),
    ]
    assert await room.run("SELECT sum(quantity) FROM reservation") == [(4,)]


async def test_an_unchanged_value_writes_nothing(room: Stockroom) -> None:
    pool = await room.pool(10, CONTENDED_SLOTS)
    await room.hold(pool, 3)
    before = await room.run("SELECT n, available, xmin::text FROM stock_slot ORDER BY n")
    assert await room.stock.set_free(pool, 7, cause="test") == 0
    await room.db.commit()
    assert await room.run("SELECT n, available, xmin::text FROM stock_slot ORDER BY n") == before
    assert await room.ledger(pool) == [(10, "opening")]


async def test_a_hold_that_is_over_is_free_when_stock_is_written(room: Stockroom) -> None:
    pool = await room.pool(10)
    await room.hold(pool, 4, seconds=-1)
    assert await room.stock.set_free(pool, 10, cause="test") == 0
    await room.db.commit()
    assert await room.slots(pool) == [10]
    assert await room.run("SELECT status, quantity FROM reservation_finished") == [("expired", 4)]


async def test_setting_aside(room: Stockroom) -> None:
    pool = await room.pool(10, CONTENDED_SLOTS)
    closes = now() + HOUR
    child = await room.child(pool, 4, closes)
    assert await room.free(pool, child) == [6, 4]
    assert (len(await room.slots(child)), sum(await room.slots(child))) == (CONTENDED_SLOTS, 4)
    assert await room.ledger(pool) == [(10, "opening"), (-4, "set_aside")]
    assert await room.ledger(child) == [(4, "set_aside")]
    assert await room.run("SELECT parent_id, closes_at, settled_at FROM stock_pool WHERE id = :id", id=child) == [
        (pool, closes, None)
    ]


async def test_more_than_is_free_cannot_be_set_aside(room: Stockroom) -> None:
    pool = await room.pool(10)
    await room.hold(pool, 3)
    with pytest.raises(NotEnough) as caught:
        await room.child(pool, 8)
    assert (caught.value.free, str(caught.value)) == (7, "7 units are free")
    await room.db.rollback()
    assert await room.free(pool) == [7]
    assert await room.run("SELECT count(*) FROM stock_pool") == [(1,)]
    assert await room.free(pool, await room.child(pool, 7)) == [0, 7]


async def test_a_closed_pools_units_are_its_parents_before_anybody_moves_them(room: Stockroom) -> None:
    pool = await room.pool(10)
    child = await room.child(pool, 4)
    token = await room.hold(child, 1)
    assert await room.stock.settle_closed_pools() == 0
    await room.close(child)
    assert await room.free(pool, child) == [9, 3]
    assert (sum(await room.slots(pool)), sum(await room.slots(child))) == (6, 3)
    assert [await room.stock.settle_closed_pools() for _ in range(3)] == [1, 1, 1]
    await room.db.commit()
    # The hold that still runs keeps it from being settled.
    assert (sum(await room.slots(pool)), sum(await room.slots(child)), await room.settled(child)) == (9, 0, False)
    assert await room.ledger(child) == [(4, "set_aside"), (-3, "set_aside")]
    assert await room.stock.cancel(token, 1)
    await room.db.commit()
    assert await room.free(pool) == [10]
    assert [await room.stock.settle_closed_pools() for _ in range(2)] == [1, 0]
    await room.db.commit()
    assert (sum(await room.slots(pool)), await room.settled(child)) == (10, True)
    assert await room.ledger(child) == [(4, "set_aside"), (-3, "set_aside"), (-1, "set_aside")]


async def test_settling_ends_what_is_over(room: Stockroom) -> None:
    pool = await room.pool(10)
    child = await room.child(pool, 4)
    await room.hold(child, 2, seconds=-1)
    await room.close(child)
    assert await room.free(pool) == [10]
    await room.stock.settle_closed_pools()
    await room.db.commit()
    assert (sum(await room.slots(pool)), await room.settled(child)) == (10, True)


async def test_settling_takes_so_many_parents_at_a_time(room: Stockroom) -> None:
    pools = [await room.pool(1) for _ in range(3)]
    for pool in pools:
        await room.close(await room.child(pool, 1))
    assert [await room.stock.settle_closed_pools(limit=2) for _ in range(3)] == [2, 1, 0]
    await room.db.commit()


async def test_a_closing_can_be_moved(room: Stockroom) -> None:
    pool = await room.pool(10)
    child = await room.child(pool, 4)
    later = now() + 5 * HOUR
    await room.stock.close_at(child, later)
    await room.db.commit()
    assert await room.run("SELECT closes_at FROM stock_pool WHERE id = :id", id=child) == [(later,)]
    assert await room.free(pool, child) == [6, 4]


async def test_what_comes_back_goes_home_while_the_pool_is_open(room: Stockroom) -> None:
    pool = await room.pool(10)
    child = await room.child(pool, 4)
    assert await room.give_back(child, 2) == child
    assert await room.give_back(pool, 1) == pool
    await room.db.commit()
    assert await room.free(pool, child) == [7, 6]
    assert await room.ledger(child) == [(4, "set_aside"), (2, "return")]


async def test_what_comes_back_after_the_closing_is_the_parents(room: Stockroom) -> None:
    pool = await room.pool(10)
    child = await room.child(pool, 4)
    await room.close(child)
    await room.stock.settle_closed_pools()
    await room.db.commit()
    assert await room.settled(child)
    assert await room.give_back(child, 2) == pool
    await room.db.commit()
    assert await room.free(pool) == [12]
    assert await room.ledger(pool) == [(10, "opening"), (-4, "set_aside"), (4, "set_aside"), (2, "return")]


async def test_a_pool_settled_in_between_is_looked_at_again(room: Stockroom) -> None:
    """It closes, and is settled, after the choice of it and before the units arrive: they must not lie there lost."""
    pool = await room.pool(10)
    child = await room.child(pool, 4, now() + HOUR)
    await room.run("UPDATE stock_pool SET settled_at = now() WHERE id = :id", id=child)
    assert await room.give_back(child, 2) == child
    await room.db.commit()
    assert not await room.settled(child)
    await room.close(child)
    assert await room.free(pool) == [12]


async def test_a_sale_is_written_down(room: Stockroom) -> None:
    pool = await room.pool(10)
    token = await room.hold(pool, 3)
    assert await room.stock.confirm(token, 1, order_id=77)
    await room.stock.record_sale(pool, 3, cause="x" * 300)
    await room.db.commit()
    assert await room.ledger(pool) == [(10, "opening"), (-3, "sale")]
    assert await room.run("SELECT length(cause) FROM stock_ledger WHERE kind = 'sale'") == [(200,)]


async def test_the_audit_says_what_differs(unchecked_room: Stockroom) -> None:
    first, second = await unchecked_room.pool(10, 2), await unchecked_room.pool(5)
    await unchecked_room.hold(first, 3)
    assert await audit(unchecked_room.db) == (2, [])
    await unchecked_room.run("UPDATE stock_slot SET available = available + 1 WHERE n = 0")
    assert await audit(unchecked_room.db) == (2, [Finding(first, 10, 8, 3), Finding(second, 5, 6, 0)])


async def test_writes_at_once_take_turns(room: Stockroom, sessions: async_sessionmaker[AsyncSession]) -> None:
    """Whatever their order, the last one's value is what is free, and every difference is in the ledger."""
    pool = await room.pool(10, CONTENDED_SLOTS)

    async def write(units: int) -> int:
        async with sessions() as session, session.begin():
            return await StockService(session).set_free(pool, units, cause="test")

    differences = await asyncio.gather(*(write(units) for units in (3, 50, 0, 17)))
    (free,) = await room.free(pool)
    assert free in {3, 50, 0, 17}
    assert 10 + sum(differences) == free


async def test_a_trade_takes_from_all_pools_at_once(room: Stockroom) -> None:
    """From the first slots first; what several take of one pool is summed."""
    wide, narrow, last = await room.pool(50, 16), await room.pool(5), await room.pool(3)
    trades = [
        Trade(narrow, 2, "order 1"),
        Trade(wide, 5, "order 1"),
        Trade(wide, 1, "order 2"),
        Trade(last, 3, "order 2"),
    ]
    left = await room.stock.trade(trades)
    await room.db.commit()
    assert left == [PoolLeft(wide, 44, 6), PoolLeft(narrow, 3, 2), PoolLeft(last, 0, 3)]
    assert await room.slots(wide) == [0, 2, *[3] * 14]
    assert await room.slots(narrow) + await room.slots(last) == [3, 0]
    assert await room.ledger(wide) == [(50, "opening"), (-5, "sale"), (-1, "sale")]
    assert (await audit(room.db))[1] == []


async def test_a_trade_of_which_one_pool_has_too_little_takes_nothing(room: Stockroom) -> None:
    wide, short = await room.pool(18, 16), await room.pool(1)
    with pytest.raises(TooFew) as refused:
        await room.stock.trade([Trade(wide, 9, "order 1"), Trade(short, 2, "order 1")])
    assert refused.value.short == [PoolLeft(short, 1, 2)]
    await room.db.commit()
    assert await room.free(wide, short) == [18, 1]
    assert await room.ledger(wide) == [(18, "opening")]
