"""The process's clock follows the database's, wherever this machine's own stands."""

import time

import asyncpg
import pytest

from app.db import clock


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
