"""The engine's connections: one that the server has ended is let go, and its error is told as what it is."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db.engine import create_engine
from app.db.failures import app_error_of
from app.errors import Unavailable
from app.settings import Settings


async def test_the_driver_has_lost_its_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(settings, name=f"engine-{Path(__file__).stem}")

    async def lost(*_arguments: object, **_options: object) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    async with engine.connect() as connection:
        before = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        with monkeypatch.context() as patched:
            patched.setattr(PreparedStatement, "fetch", lost)
            with pytest.raises(DBAPIError) as caught:
                await connection.execute(text("SELECT 2"))
    assert caught.value.connection_invalidated
    assert isinstance(app_error_of(caught.value), Unavailable)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one() != before
    await engine.dispose()


async def test_what_was_ended_while_nobody_used_it_fails_nobody(settings: Settings) -> None:
    engine = create_engine(settings, name=f"engine-{Path(__file__).stem}")
    async with engine.connect() as first, engine.connect() as second:
        pids = [(await each.execute(text("SELECT pg_backend_pid()"))).scalar_one() for each in (first, second)]
        drivers = [(await each.get_raw_connection()).driver_connection for each in (first, second)]
    other = await asyncpg.connect(settings.database_url)
    await other.fetch("SELECT pg_terminate_backend(pid, 5000) FROM unnest($1::int[]) AS pid", pids)
    await other.close()
    async with asyncio.timeout(5):
        while not all(driver.is_closed() for driver in drivers):
            await asyncio.sleep(0.01)
    async with engine.connect() as first, engine.connect() as second:
        found = {(await each.execute(text("SELECT pg_backend_pid()"))).scalar_one() for each in (first, second)}
    assert not found & set(pids)
    await engine.dispose()
