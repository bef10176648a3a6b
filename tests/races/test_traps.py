"""Traps that drafts of this stock fell into, each sprung on purpose: two transactions, one order of events.

Where there is a right and a wrong way, both are run: the wrong one has to fail, or the test would prove nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.domain.promos.service.claims import STATEMENT
from tests.races.arena import Arena, Buyer, Shop
from tests.races.mutants import INVENTORY, NO_RECLAIM, PROMOS, SKIP_LOCKED_ALONE, broken, source
from tests.races.proof import Lost, prove

pytestmark = pytest.mark.races
PATIENCE_SECONDS = 10
GATHER = "SELECT stock_gather($1)"
BECOME_A_PART = "UPDATE stock_pool SET parent_id = $1, closes_at = $2 WHERE id = $3"
RETURN_HOLD = "DELETE FROM reservation WHERE promo_id = $1 AND user_id = $2"
NO_LOOK_AT_THE_POOL = (("WHEN p.free IS NULL THEN 'retry'", ""),)
NO_RECOUNT = (("AND m.quantity > p.per_user_limit - b.units;", "AND false;"),)
SLOTS_BEFORE_HOLDS = (
    (
        "    due bigint[] := stock_lock_due(family);\n    pool bigint;",
        "    due bigint[];\n    pool bigint;",
    ),
    (
        "    PERFORM stock_lock(family);\n    FOR given IN",
        "    PERFORM stock_lock(family);\n    due := stock_lock_due(family);\n    FOR given IN",
    ),
)


class Stage:
    """Connections on which a story is told; what one of them waits for can be awaited."""

    def __init__(self, arena: Arena, connections: Sequence[asyncpg.Connection]) -> None:
        self.arena = arena
        self.first, self.second = connections

    async def begin(self, statement: str, *arguments: Any) -> None:
        """Run in the first connection's transaction, which stays open."""
        if not self.first.is_in_transaction():
            await self.first.execute("BEGIN")
        await self.first.execute(statement, *arguments)

    async def waiting(self, statement: str, *arguments: Any) -> "asyncio.Task[Any]":
        """Run on the second connection; comes back when that waits for the first one's locks."""
        return await self.until_blocked(self.second.fetch(statement, *arguments))

    async def until_blocked(self, act: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin something that has to wait for the first connection's locks; comes back when it does."""
        task = asyncio.create_task(act)
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.arena.pool.fetchval(blocked, self.first.get_server_pid()):
                assert not task.done(), f"it does not wait: {task.exception() or task.result()}"
                await asyncio.sleep(0.005)
        return task

    async def claim(self, who: Buyer, shop: Shop, quantity: int = 1, *, patient: bool = False) -> asyncpg.Record:
        """One claim, on the second connection."""
        rows = await self.second.fetch(STATEMENT, *claim_of(who, shop.promo, quantity, patient=patient))
        return rows[0]


def claim_of(who: Buyer, promo: int, quantity: int = 1, *, patient: bool = True) -> tuple[Any, ...]:
    return [who.id], [0], [promo], [quantity], 60, patient


@pytest.fixture
async def stage(glass: Arena) -> AsyncIterator[Stage]:
    async with glass.pool.acquire() as first, glass.pool.acquire() as second:
        yield Stage(glass, (first, second))
        if first.is_in_transaction():
            await first.execute("ROLLBACK")


@asynccontextmanager
async def with_functions(connection: asyncpg.Connection, file: str, pieces: Any) -> AsyncIterator[None]:
    await connection.execute(broken(file, pieces))
    try:
        yield
    finally:
        await connection.execute(source(file))


async def held(stage: Stage, who: Buyer, shop: Shop, quantity: int = 1) -> None:
    assert (await stage.claim(who, shop, quantity))["verdict"] == "new"


async def over(stage: Stage, shop: Shop) -> None:
    """Every hold of a shop's promotion is over."""
    statement = "UPDATE reservation SET expires_at = clock_timestamp() - interval '1 s' WHERE promo_id = $1"
    await stage.arena.pool.execute(statement, shop.promo)


async def cancel_meets_gather(stage: Stage) -> None:
    """A hold that is over is let go, its units not yet back, when somebody gathers all that can be sold."""
    shop, buyer = await stage.arena.open_shop(1, slots=1), stage.arena.buyers[0]
    await held(stage, buyer, shop)
    await over(stage, shop)
    await stage.begin(RETURN_HOLD, shop.promo, buyer.id)
    gathering = await stage.waiting(GATHER, [shop.pool_id])
    await stage.begin("SELECT stock_put($1, 1)", shop.pool_id)
    await stage.first.execute("COMMIT")
    assert (await gathering)[0][0] == 1


async def test_holds_are_locked_before_slots(stage: Stage) -> None:
    """A hold's end locks the hold, then a slot; whoever goes the other way meets it in the middle."""
    await cancel_meets_gather(stage)
    async with with_functions(stage.arena.pool, INVENTORY, SLOTS_BEFORE_HOLDS):
        with pytest.raises(asyncpg.DeadlockDetectedError):
            await cancel_meets_gather(stage)


async def test_a_patient_claim_locks_holds_before_slots(stage: Stage) -> None:
    shop, (buyer, other) = await stage.arena.open_shop(1, slots=1), stage.arena.buyers[:2]
    await held(stage, buyer, shop)
    await over(stage, shop)
    await stage.begin(RETURN_HOLD, shop.promo, buyer.id)
    claiming = await stage.waiting(STATEMENT, *claim_of(other, shop.promo))
    await stage.begin("SELECT stock_put($1, 1)", shop.pool_id)
    await stage.first.execute("COMMIT")
    assert (await claiming)[0]["verdict"] == "new"
    assert await stage.arena.free(shop.pool_id) == 0


async def sweep_meets_settling(stage: Stage, settle: Callable[[list[int]], Coroutine[Any, Any, Any]]) -> None:
    """The sweep has locked the holds of two pools that are over, and returns units to the first while both settle."""
    shops = [await stage.arena.open_shop(1, slots=1) for _ in range(2)]
    for shop in shops:
        await held(stage, stage.arena.buyers[0], shop)
        await over(stage, shop)
        closed = await stage.arena.open_shop(1, slots=1)
        await stage.arena.pool.execute(BECOME_A_PART, shop.pool_id, datetime.now(UTC), closed.pool_id)
    await stage.begin("SELECT id FROM reservation WHERE promo_id = $1 FOR UPDATE", shops[1].promo)
    settling = await stage.until_blocked(settle([shop.pool_id for shop in shops]))
    returning = stage.begin("SELECT stock_put($1, 0)", shops[0].pool_id)
    problems: list[Any] = list(await asyncio.gather(returning, return_exceptions=True))
    await stage.first.execute("ROLLBACK" if any(problems) else "COMMIT")
    problems += await asyncio.gather(settling, return_exceptions=True)
    for problem in problems:
        if isinstance(problem, BaseException):
            raise problem


async def test_pools_are_settled_in_one_order_of_locks(stage: Stage) -> None:
    """All holds before all slots: pool by pool, the second one's holds would come after the first one's slots."""

    async def by_the_worker(pools: list[int]) -> None:
        assert await stage.arena.settle() == len(pools)

    async def one_by_one(pools: list[int]) -> None:
        async with stage.second.transaction():
            for pool in pools:
                await stage.second.execute(GATHER, [pool])

    await sweep_meets_settling(stage, by_the_worker)
    await prove(stage.arena)
    with pytest.raises(asyncpg.DeadlockDetectedError):
        await sweep_meets_settling(stage, one_by_one)


async def test_a_pool_that_closes_meanwhile_is_left_alone(stage: Stage) -> None:
    """Who has locked a family of slots locks none of a lower number afterwards: the next one settles what closed."""
    arena = stage.arena
    parent, child, other = await arena.open_shop(5), await arena.open_shop(3), await arena.open_shop(1)
    await arena.pool.execute(BECOME_A_PART, parent.pool_id, datetime.now(UTC) + timedelta(hours=1), child.pool_id)
    await stage.begin("SELECT FROM stock_slot WHERE pool_id = $1 FOR UPDATE", other.pool_id)
    await stage.second.execute("BEGIN")
    gathering = await stage.waiting(GATHER, [parent.pool_id, other.pool_id])
    await arena.pool.execute(BECOME_A_PART, parent.pool_id, datetime.now(UTC), child.pool_id)
    await stage.first.execute("COMMIT")
    assert (await gathering)[0][0] == 6
    await arena.pool.execute("SELECT FROM stock_slot WHERE pool_id = $1 FOR UPDATE NOWAIT", child.pool_id)
    await stage.second.execute("COMMIT")
    assert await arena.pool.fetchval(GATHER, [parent.pool_id, other.pool_id]) == 9
    await prove(arena)


async def returned_unit(stage: Stage) -> tuple[Shop, Buyer]:
    """A unit is on its way back to a slot that was empty, in a transaction that is open."""
    shop, (buyer, other) = await stage.arena.open_shop(1, slots=1), stage.arena.buyers[:2]
    await held(stage, buyer, shop)
    await stage.begin(RETURN_HOLD, shop.promo, buyer.id)
    await stage.begin("SELECT stock_put($1, 1)", shop.pool_id)
    return shop, other


async def test_a_check_sees_what_was_read_before_the_wait(stage: Stage) -> None:
    """In one statement the slot is locked, waited for, found to have a unit, and lowered below zero all the same.

    The update's own reading of the row is older than its lock, and the CHECK comes before anybody notices.
    """
    shop, _ = await returned_unit(stage)
    single = """
        WITH slot AS (SELECT pool_id, n, available FROM stock_slot WHERE pool_id = $1 FOR UPDATE)
        UPDATE stock_slot s SET available = s.available - 1 FROM slot
         WHERE s.pool_id = slot.pool_id AND s.n = slot.n AND slot.available >= 1
    """
    taking = await stage.waiting(single, shop.pool_id)
    await stage.first.execute("COMMIT")
    with pytest.raises(asyncpg.CheckViolationError):
        await taking


async def test_slots_are_locked_and_then_read(stage: Stage) -> None:
    """The same story with the real function: locked in one statement, read and written in the next."""
    shop, _ = await returned_unit(stage)
    taking = await stage.waiting("SELECT stock_take($1, '{1}', true)", shop.pool_id)
    await stage.first.execute("COMMIT")
    assert (await taking)[0][0] == [True]
    await stage.arena.pool.execute("SELECT stock_put($1, 1)", shop.pool_id)
    await prove(stage.arena)


async def test_a_claim_reclaims_what_nobody_has_swept(stage: Stage) -> None:
    """Without it whoever comes after a hold that is over is refused, though the unit is free."""
    buyer, other = stage.arena.buyers[:2]
    for pieces, verdict in ((NO_RECLAIM, "short"), ((), "new")):
        shop = await stage.arena.open_shop(1)
        await held(stage, buyer, shop)
        await over(stage, shop)
        async with with_functions(stage.arena.pool, INVENTORY, pieces):
            row = await stage.claim(other, shop)
            if row["verdict"] == "retry":
                row = await stage.claim(other, shop, patient=True)
        assert row["verdict"] == verdict
    await prove(stage.arena)


async def test_a_locked_unit_is_not_a_sold_one(stage: Stage) -> None:
    """Whoever took it may still roll back: a claim that cannot wait says so, and one that can gets it then."""
    shop, buyer = await stage.arena.open_shop(1, slots=1), stage.arena.buyers[0]
    await stage.begin("UPDATE stock_slot SET available = 0 WHERE pool_id = $1", shop.pool_id)
    async with with_functions(stage.arena.pool, PROMOS, SKIP_LOCKED_ALONE):
        assert (await stage.claim(buyer, shop))["verdict"] == "short"
    assert (await stage.claim(buyer, shop))["verdict"] == "retry"
    claiming = await stage.waiting(STATEMENT, *claim_of(buyer, shop.promo))
    await stage.first.execute("ROLLBACK")
    assert (await claiming)[0]["verdict"] == "new"


async def test_a_unit_that_somebody_takes_meanwhile_is_sold(stage: Stage) -> None:
    """The same, and whoever took it commits: the patient one is refused, and told that nothing is left."""
    shop, buyer = await stage.arena.open_shop(1, slots=1), stage.arena.buyers[0]
    await stage.begin("UPDATE stock_slot SET available = 0 WHERE pool_id = $1", shop.pool_id)
    await stage.begin("INSERT INTO stock_ledger (pool_id, delta, kind) VALUES ($1, -1, 'adjustment')", shop.pool_id)
    claiming = await stage.waiting(STATEMENT, *claim_of(buyer, shop.promo))
    await stage.first.execute("COMMIT")
    row = (await claiming)[0]
    assert (row["verdict"], row["units_left"]) == ("short", 0)
    await prove(stage.arena)


async def test_a_promotion_may_change_its_pool_under_a_claim(stage: Stage) -> None:
    """A hold takes units from the pool that it names, though staff set other units aside while its claim waits."""
    arena, buyer = stage.arena, stage.arena.buyers[0]
    for pieces, verdict, units in (((), "retry", 3), (NO_LOOK_AT_THE_POOL, "new", 3)):
        shop, other = await arena.open_shop(5), await arena.open_shop(3)
        await held(stage, buyer, shop)
        await over(stage, shop)
        await stage.begin("SELECT FROM reservation WHERE promo_id = $1 FOR UPDATE", shop.promo)
        async with with_functions(arena.pool, PROMOS, pieces):
            claiming = await stage.waiting(STATEMENT, *claim_of(buyer, shop.promo, patient=False))
            await arena.pool.execute("UPDATE flash_promo SET pool_id = $1 WHERE id = $2", other.pool_id, shop.promo)
            await stage.first.execute("COMMIT")
            assert (await claiming)[0]["verdict"] == verdict
        assert await arena.free(other.pool_id) == units
    with pytest.raises(Lost):
        await prove(arena)


BOUGHT_MEANWHILE = """
    WITH hold AS (
        INSERT INTO reservation (pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at)
        VALUES ($1, $2, $3, $4, gen_random_uuid(), 1, 800, clock_timestamp() + interval '1 min') RETURNING *
    )
    INSERT INTO reservation_finished (id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price,
                                      expires_at, status, order_id)
    SELECT id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at, 'confirmed', 1
      FROM hold
"""


async def test_what_is_bought_while_an_insert_waits_counts(stage: Stage) -> None:
    """The same buyer holds and buys elsewhere, all of it after this claim has read what was bought."""
    shop, buyer = await stage.arena.open_shop(5), stage.arena.buyers[0]
    for pieces, verdict in (((), "limit"), (NO_RECOUNT, "new")):
        await stage.begin(BOUGHT_MEANWHILE, shop.pool_id, shop.promo, shop.store_product_id, buyer.id)
        async with with_functions(stage.arena.pool, PROMOS, pieces):
            claiming = await stage.waiting(STATEMENT, *claim_of(buyer, shop.promo))
            await stage.begin(RETURN_HOLD, shop.promo, buyer.id)
            await stage.first.execute("COMMIT")
            assert (await claiming)[0]["verdict"] == verdict
        await stage.arena.pool.execute("DELETE FROM reservation_finished WHERE promo_id = $1", shop.promo)
