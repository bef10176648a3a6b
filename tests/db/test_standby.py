"""A replica that is silent, or that is nobody's: the primary is read instead, and soon."""

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import standby as standbys
from app.db.standby import Standby
from app.settings import Settings


@pytest.fixture
async def silent(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> AsyncIterator[Standby]:
    """It takes connections and says nothing, as a machine does that has lost its network."""
    monkeypatch.setattr(standbys, "ANSWER_SECONDS", 0.1)
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    standby = Standby(msgspec.structs.replace(settings, database_read_url=f"postgresql://a:b@127.0.0.1:{port}/none"))
    yield standby
    await standby.close()
    server.close()
    for connection in connections:
        connection.close()


async def test_a_silent_replica_keeps_no_list_waiting(silent: Standby) -> None:
    begun = time.monotonic()
    found = await asyncio.gather(*(silent.fetch("SELECT 1", ()) for _ in range(standbys.LINES)))
    assert found == [None] * standbys.LINES
    assert time.monotonic() - begun < 2
    # It is left alone then, for longer than one that is only late.
    begun = time.monotonic()
    assert await silent.fetch("SELECT 1", ()) is None
    assert time.monotonic() - begun < 0.05
    assert silent._resting_until > begun + standbys.REST_SECONDS


async def test_a_silent_replica_keeps_no_statistics_waiting(silent: Standby, db: AsyncSession) -> None:
    begun = time.monotonic()
    async with silent.session(db) as session:
        assert session is db
        assert await session.scalar(text("SELECT 1")) == 1
    assert time.monotonic() - begun < 2


async def test_a_session_of_the_primary_itself_is_always_fresh(settings: Settings, db: AsyncSession) -> None:
    """As after a promotion: the address leads to one that replays nothing."""
    standby = Standby(msgspec.structs.replace(settings, database_read_url=settings.database_url))
    rows = await standby.fetch("SELECT 7 AS seven", ())
    assert rows is not None
    assert [row["seven"] for row in rows] == [7]
    async with standby.session(db) as session:
        assert session is not db
        assert await session.scalar(text("SELECT 8")) == 8
    await standby.close()
