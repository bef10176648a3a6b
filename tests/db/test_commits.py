"""A commit that takes too long is left to itself: not cancelled, and not waited for. With replicas: R0b."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import commits
from app.db.engine import create_engine
from app.db.failures import app_error_of
from app.db.line import Line
from app.db.pooling import Way
from app.errors import Unavailable
from app.settings import Settings
from tests.conftest import fresh_database

NAME = "slow-commits"
# An insert whose commit takes half a second.
SETUP = """
    CREATE TABLE slow (id integer);
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait();
"""
INSERT = "INSERT INTO slow SELECT coalesce(max(id), 0) + 1 FROM slow RETURNING id"
# As long as any of them lasts: its place at the server is taken.
THERE = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{NAME}' AND datname = current_database()"


@pytest.fixture
async def slow_url(worker_name: str) -> AsyncIterator[str]:
    """A database in which commits take long."""
    async with fresh_database(f"{worker_name}_commits") as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SETUP)
        await connection.close()
        yield url


@pytest.fixture
async def other(slow_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else, who sees what is committed."""
    connection = await asyncpg.connect(slow_url)
    yield connection
    await connection.close()


@pytest.fixture
async def engine(settings: Settings, slow_url: str) -> AsyncIterator[AsyncEngine]:
    opened = create_engine(settings, name=NAME, url=slow_url)
    yield opened
    await opened.dispose()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "COMMIT_SECONDS", 0.1)


async def seen(other: asyncpg.Connection, wanted: list[int]) -> None:
    """All of it is there, and so soon nobody's place at the server is taken any more."""
    async with asyncio.timeout(10):
        while await other.fetchval(THERE):
            await asyncio.sleep(0.02)
    assert [row["id"] for row in await other.fetch("SELECT id FROM slow ORDER BY id")] == wanted


@pytest.mark.usefixtures("impatient")
async def test_nobody_waits_for_it_and_nobody_cancels_it(engine: AsyncEngine, other: asyncpg.Connection) -> None:
    async with engine.connect() as connection:
        await connection.execute(text(INSERT))
        with pytest.raises(TimeoutError) as caught:
            await connection.commit()
    assert isinstance(app_error_of(caught.value), Unavailable)
    assert await other.fetchval(THERE) == 1
    assert not await other.fetchval("SELECT count(*) FROM slow")
    # The pool has another for the next one, before the first has ended.
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()
    await seen(other, [1])


async def test_whoever_goes_away_does_not_cancel_it_either(engine: AsyncEngine, other: asyncpg.Connection) -> None:
    async def work() -> None:
        async with engine.connect() as connection:
            await connection.execute(text(INSERT))
            await connection.commit()

    task = asyncio.create_task(work())
    async with asyncio.timeout(10):
        while not await other.fetchval(f"{THERE} AND query = 'COMMIT;' AND state = 'active'"):
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await engine.dispose()
    await seen(other, [1])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("pooler", ["none", "transaction-unprepared"])
async def test_a_line_that_commits(slow_url: str, other: asyncpg.Connection, pooler: str) -> None:
    line = Line(Way(slow_url, pooler), name=NAME, seconds=0.1, commits=True)
    with pytest.raises(TimeoutError):
        await line.fetch(INSERT)
    # It is not let go of before it has ended, so that others ask.
    await other.fetchval("SELECT pg_sleep(0.15)")
    assert len(commits._slow) == 1
    assert (await line.fetch("SELECT 1"))[0][0] == 1
    await line.close()
    await seen(other, [1])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("pooler", ["none", "transaction-unprepared"])
async def test_while_others_wait_for_a_replica(
    engine: AsyncEngine, other: asyncpg.Connection, slow_url: str, monkeypatch: pytest.MonkeyPatch, pooler: str
) -> None:
    """Who writes is refused before the commit and nothing of it stands; who reads is served."""
    line = Line(Way(slow_url, pooler), name=NAME, seconds=5.0, commits=True)
    async with engine.connect() as connection:
        await connection.execute(text(INSERT))
        with pytest.raises(TimeoutError, match="not waited for"):
            await connection.commit()
    waiting = "SELECT true"
    monkeypatch.setattr(commits, "_CROWDED", waiting)
    monkeypatch.setattr(commits, "_CHANGED", commits._CHANGED.partition(" AND ")[0])
    async with engine.connect() as connection:
        await connection.execute(text("SELECT count(*) FROM slow"))
        await connection.commit()
        await connection.execute(text("INSERT INTO slow VALUES (70)"))
        with pytest.raises(TimeoutError, match="wait for a replica"):
            await connection.commit()
    with monkeypatch.context() as calm:
        calm.setattr(commits, "_CROWDED", "SELECT false")
        before = await line.fetch("SELECT pg_backend_pid()")
    with pytest.raises(commits.Refused):
        await line.fetch("INSERT INTO slow VALUES (80) RETURNING id")
    with monkeypatch.context() as calm:
        calm.setattr(commits, "_CROWDED", "SELECT false")
        assert await line.fetch("SELECT pg_backend_pid()") == before
    await line.close()
    await engine.dispose()
    await seen(other, [1])


async def test_a_command_waits_as_long_as_it_takes(
    settings: Settings, slow_url: str, other: asyncpg.Connection, impatient: None
) -> None:
    engine = create_engine(settings, name=NAME, url=slow_url, patient=True)
    async with engine.begin() as connection:
        await connection.execute(text(INSERT))
    await engine.dispose()
    await seen(other, [1])


async def test_a_question_that_fails_is_no_yes(
    engine: AsyncEngine, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that fails by being asked about would be rolled back by a commit that says nothing of it."""
    commits._slow.add(left := asyncio.get_running_loop().create_future())
    monkeypatch.setattr(commits, "_CHANGED", "SELECT 1 / 0 = 1")
    async with engine.connect() as connection:
        await connection.execute(text(INSERT))
        with pytest.raises(DBAPIError):
            await connection.commit()
    commits._slow.discard(left)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()
    await seen(other, [])


async def test_a_transaction_that_has_failed(engine: AsyncEngine, other: asyncpg.Connection) -> None:
    """Its commit takes back what it did, in time, also while something was left."""
    commits._slow.add(left := asyncio.get_running_loop().create_future())
    async with engine.connect() as connection:
        await connection.execute(text(INSERT))
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT 1 / 0"))
        await connection.commit()
    commits._slow.discard(left)
    await engine.dispose()
    await seen(other, [])
