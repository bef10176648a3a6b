"""Workers beside one another, jobs delivered twice, kills, lost connections: each device hears of a promotion once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from app.domain.notifications.service.sending import PIECE, PIECES_AT_ONCE
from sandbox.server import open_sandbox
from tests.conftest import SECRET, empty, fresh_database
from tests.factories_catalog import make_store_product
from tests.races import servers
from tests.races.push_arena import PushArena, environment, until

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]
CLAIMED_AT_ONCE = PIECE * PIECES_AT_ONCE


@pytest.fixture(scope="session")
async def push_database(worker_name: str) -> AsyncIterator[str]:
    async with fresh_database(f"pushes_{worker_name}") as url:
        yield url


@pytest.fixture
async def pushes(push_database: str, tmp_path: Path) -> AsyncIterator[PushArena]:
    """A store, hours that never end, and a sandbox. The workers have nothing to complain about but lost connections."""
    engine = create_async_engine(push_database.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with async_sessionmaker(engine, expire_on_commit=False)() as db:
        await make_store_product(db)
    await engine.dispose()
    async with (
        open_sandbox(tmp_path / "service-account.json") as sandbox,
        asyncpg.create_pool(push_database, min_size=1, max_size=4) as pool,
    ):
        await pool.execute(
            "INSERT INTO notification_preference (notification_start_hour, notification_end_hour)"
            " VALUES ('00:00', '23:59')"
        )
        environ = environment(servers.environment(push_database, SECRET, tmp_path), sandbox)
        arena = PushArena(pool, sandbox, environ, tmp_path / "workers.log")
        try:
            yield arena
        finally:
            await arena.stop()
    await empty(push_database)


async def settle(pushes: PushArena, promo: int, devices: int) -> None:
    async def done() -> bool:
        return await pushes.settled(promo, devices)

    await until(done, f"every push of promotion {promo} has an end")


async def test_three_workers_and_every_job_twice(pushes: PushArena) -> None:
    tokens = await pushes.crowd("w", 450)
    pushes.slow(0.02)
    await asyncio.gather(*(pushes.worker() for _ in range(3)))
    first, second = await pushes.promo(starts_in=0.5), await pushes.promo()
    for _ in range(4):
        for promo in (first, second):
            await pushes.defer("notify_promo", promo_id=promo)
        await pushes.deliver_twice("send_push_batch")
        await asyncio.sleep(0.4)
    for name in ("notify_active_promos", "activate_and_notify_promos", "notifications:sweep", "send_push_batch"):
        await pushes.defer(name)
    for promo in (first, second):
        await settle(pushes, promo, len(tokens))
        assert pushes.arrived(promo) == dict.fromkeys(tokens, 1)
        assert await pushes.states(promo) == {"sent": len(tokens)}
    assert await pushes.pool.fetchval("SELECT count(*) FROM promo_notification") == 2 * 450


async def test_a_worker_killed_in_the_middle_of_a_batch(pushes: PushArena, full_rounds: bool) -> None:
    """What was under way ends as unknown and is not repeated; everybody else hears once."""
    pushes.slow(0.05)
    worker = await pushes.worker()
    for round_number in range(10 if full_rounds else 2):
        tokens = await pushes.crowd(f"k{round_number}-", 300)
        promo = await pushes.promo()

        async def under_way(promo: int = promo) -> bool:
            return len(pushes.arrived(promo)) > 60

        await until(under_way, "pushes arrive")
        worker.kill()
        await worker.wait()
        await pushes.pretend_time_passed()
        worker = await pushes.worker()
        await pushes.rescued()
        await settle(pushes, promo, len(tokens))
        arrived, unknown = pushes.arrived(promo), await pushes.unknown(promo)
        assert max(arrived.values()) == 1
        assert tokens - set(arrived) <= unknown
        assert 0 < len(unknown) <= CLAIMED_AT_ONCE
        states = await pushes.states(promo)
        assert states == {"sent": len(tokens) - len(unknown), "unknown": len(unknown)}
        # Others come tomorrow, not now: nobody of this round is told again.
        await pushes.pool.execute("UPDATE flash_promo SET cancelled_at = clock_timestamp()")
        await pushes.pool.execute("UPDATE users SET is_active = false")


async def test_a_worker_that_is_stopped_leaves_nothing_unknown(pushes: PushArena) -> None:
    tokens = await pushes.crowd("s", 300)
    pushes.slow(0.05)
    worker = await pushes.worker()
    promo = await pushes.promo()

    async def under_way() -> bool:
        return len(pushes.arrived(promo)) > 60

    await until(under_way, "pushes arrive")
    worker.terminate()
    assert await worker.wait() == 0
    assert "unknown" not in await pushes.states(promo)
    await pushes.worker()
    await settle(pushes, promo, len(tokens))
    assert pushes.arrived(promo) == dict.fromkeys(tokens, 1)
    assert await pushes.states(promo) == {"sent": len(tokens)}


async def test_the_database_goes_away_again_and_again(pushes: PushArena, full_rounds: bool) -> None:
    """Nothing is sent twice and nothing is unknown: the workers live, so what they know gets written."""
    tokens = await pushes.crowd("d", 600 if full_rounds else 300)
    pushes.slow(0.05)
    await asyncio.gather(*(pushes.worker() for _ in range(2)))
    promo = await pushes.promo()
    seen: Counter[str] = Counter()
    for _ in range(12 if full_rounds else 5):
        before = len(seen)

        async def further(before: int = before) -> bool:
            seen.update(pushes.arrived(promo))
            return len(seen) > before or await pushes.settled(promo, len(tokens))

        await until(further, "another push arrives")
        await pushes.cut_connections()
    await settle(pushes, promo, len(tokens))
    assert pushes.arrived(promo) == dict.fromkeys(tokens, 1)
    assert await pushes.states(promo) == {"sent": len(tokens)}
