"""Months come and go while others use the tables, and by whom they may be made."""

import asyncio
import os
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.db.growing import EVENTS, FRESH, Meadow


async def test_others_write_while_months_leave(meadow: Meadow) -> None:
    await meadow.by_months(EVENTS, 6)
    ended, written, slowest = asyncio.Event(), 0, 0.0

    async def write(connection: asyncpg.Connection, n: int) -> int:
        nonlocal slowest
        count = 0
        while not ended.is_set():
            begun = asyncio.get_running_loop().time()
            await connection.execute(
                "INSERT INTO events (id, type, object_id, data) VALUES (gen_random_uuid(), 'beside', $1, '{}')", n
            )
            slowest = max(slowest, asyncio.get_running_loop().time() - begun)
            count += 1
        return count

    connections = [await asyncpg.connect(meadow.url) for _ in range(3)]
    try:
        writers = [asyncio.create_task(write(each, n)) for n, each in enumerate(connections)]
        await asyncio.sleep(0.05)
        steps = await meadow.keep(EVENT_DAYS="1")
        await asyncio.sleep(0.05)
        ended.set()
        written = sum(await asyncio.gather(*writers))
    finally:
        for each in connections:
            await each.close()
    # Months are made ahead, and six are detached and dropped: beside those who write, whose every row is there.
    assert steps in (FRESH + 1 + 2 * 5, FRESH + 1 + 2 * 6)
    assert written > 10
    assert await meadow.value("SELECT count(*) FROM events WHERE type = 'beside'") == written
    assert slowest < 3


async def test_who_holds_a_table_is_left_alone(meadow: Meadow) -> None:
    """The job gives up after a second, and has changed nothing; the next one does it."""
    past = await meadow.by_months(EVENTS, 3)
    await meadow.keep(EVENT_DAYS="0")
    before = await meadow.names(EVENTS)
    reader = await asyncpg.connect(meadow.url)
    try:
        async with reader.transaction():
            await reader.fetchval("SELECT count(*) FROM events")
            assert await meadow.keep(EVENT_DAYS="50") == 0
            assert await meadow.names(EVENTS) == before
    finally:
        await reader.close()
    assert await meadow.keep(EVENT_DAYS="50") in (2, 4)
    assert (await meadow.names(EVENTS))[0] in {meadow.name(EVENTS, past[1]), meadow.name(EVENTS, past[2])}


async def test_the_applications_role_keeps_months_and_makes_nothing_else(meadow: Meadow) -> None:
    past = await meadow.by_months(EVENTS, 3)
    role, reader = f"relampago_app_{os.getpid()}", f"relampago_reader_{os.getpid()}"
    for name in (role, reader):
        await meadow.sql.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
        await meadow.sql.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    grants = "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO"
    await meadow.sql.execute(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}; {grants} {role}")
    place = urlsplit(meadow.url)
    try:
        plain = place._replace(netloc=f"{role}:{role}@{place.hostname}:{place.port}").geturl()
        async with Meadow(plain) as theirs:
            assert await theirs.keep(EVENT_DAYS="0") == FRESH + 1
            for statement in (
                "SELECT partition_drop('events', 'orders')",
                f"SELECT partition_drop('events', '{meadow.name(EVENTS, past[0])}')",
                "SELECT partition_make('orders', '2026-01-01')",
                "CREATE TABLE other (id int)",
            ):
                with pytest.raises(asyncpg.PostgresError):
                    await theirs.sql.execute(statement)
            # Not even by their word does a month leave that is not over.
            while await theirs.value("SELECT partition_detach('events', '9999-01-01')"):
                pass
            assert (await theirs.names(EVENTS))[0] == meadow.name(EVENTS, meadow.month(0))
        watching = place._replace(netloc=f"{reader}:{reader}@{place.hostname}:{place.port}").geturl()
        async with Meadow(watching) as theirs:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await theirs.sql.execute("SELECT partition_detach('events', '9999-01-01')")
    finally:
        for name in (role, reader):
            await meadow.sql.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
