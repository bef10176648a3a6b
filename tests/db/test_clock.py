"""The process's clock follows the database's, wherever this machine's own stands."""

import asyncio
import time

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.session import run
from app.db import clock
from app.db.engine import create_engine
from app.jobs import worker
from app.settings import Settings


@pytest.fixture(autouse=True)
def _unlearnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_apart", [])


def test_until_it_knows_better_it_takes_the_machines() -> None:
    assert abs(clock.seconds() - time.time()) < 1


async def test_it_is_the_databases_afterwards(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await asyncpg.connect(database_url)
    clock.learn(await connection.fetchval(clock.READ))
    # This machine's clock is set an hour back: nothing follows.
    hour_ago = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: hour_ago)
    assert abs(await connection.fetchval(clock.READ) - clock.seconds()) < 0.5
    assert abs(clock.now().timestamp() - clock.seconds()) < 0.5
    await connection.close()


def test_it_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    clock.learn(1_800_000_000.0)
    monkeypatch.setattr(time, "monotonic", lambda: 107.5)
    assert clock.seconds() == 1_800_000_007.5


async def test_a_worker_learns_it_again_and_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept: the monotonic clock stood still, the connections are all there."""
    monkeypatch.setattr(worker, "CLOCK_SECONDS", 0.01)
    clock.learn(1_000_000_000.0)
    engine = create_engine(settings)
    keeping = asyncio.create_task(worker._keep_the_time(engine))
    try:
        async with asyncio.timeout(10):
            while abs(clock.seconds() - time.time()) > 5:
                await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await engine.dispose()


def test_a_command_goes_by_the_databases(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    clock.learn(1_000_000_000.0)

    async def read(session: AsyncSession, _settings: Settings) -> float:
        return float((await session.execute(text(clock.READ))).scalar_one()) - clock.seconds()

    assert abs(run(read)) < 5
