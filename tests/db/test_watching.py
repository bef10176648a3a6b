"""Values that are read when they change: told of at the commit, looked at now and then, kept while nobody answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.db import watching
from app.db.watching import Watch
from app.settings import Settings

STATEMENT = "SELECT maintenance_message FROM site_config"


def watch_of(dsn: str) -> Watch[str]:
    def read(row: asyncpg.Record | None) -> str:
        return "no row" if row is None else str(row[0])

    return Watch(dsn, channel="site_config", statement=STATEMENT, read=read, unknown="unknown")


@pytest.fixture
async def watch(settings: Settings, _clean: None) -> AsyncIterator[Watch[str]]:
    found = watch_of(settings.asyncpg_dsn)
    await found.start()
    yield found
    await found.close()


async def becomes(watch: Watch[str], value: str) -> None:
    async with asyncio.timeout(4):
        while watch.value != value:
            await asyncio.sleep(0.002)


async def write(db: AsyncSession, message: str, *, quietly: bool = False) -> None:
    """`quietly` as a lost message: the trigger does not fire."""
    if quietly:
        await db.execute(text("SET LOCAL session_replication_role = replica"))
    row = "INSERT INTO site_config (maintenance_message) VALUES (:message)"
    change = " ON CONFLICT (id) DO UPDATE SET maintenance_message = :message"
    await db.execute(text(row + change), {"message": message})
    await db.commit()


async def test_each_commit_is_heard(watch: Watch[str], db: AsyncSession) -> None:
    assert watch.value == "no row"
    for n in range(20):
        await write(db, f"turn {n}")
        await becomes(watch, f"turn {n}")


async def test_a_lost_message_is_made_up_for(
    settings: Settings, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    watch = watch_of(settings.asyncpg_dsn)
    await watch.start()
    await write(db, "unheard", quietly=True)
    await becomes(watch, "unheard")
    await watch.close()


async def test_without_a_database_the_process_starts_and_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FIRST_LOOK_SECONDS", 0.2)
    watch = watch_of("postgresql://nobody@127.0.0.1:1/none")
    start = time.monotonic()
    with capture_logs() as logs:
        await watch.start()
    assert time.monotonic() - start < 2
    assert watch.value == "unknown"
    assert {(line["event"], line["channel"]) for line in logs} == {("watch_failed", "site_config")}
    await watch.close()


async def test_what_is_known_stands_while_nobody_answers(
    watch: Watch[str], db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(db, "before")
    await becomes(watch, "before")

    async def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("connection refused")

    cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name")
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(asyncpg, "connect", refuse)
        await db.execute(cut, {"name": "relampago-site_config"})
        await write(db, "after")
        await watch.look()
        assert watch.value == "before"
        assert any(line["event"] == "watch_failed" for line in logs)
    await watch.look()
    assert watch.value == "after"


async def test_closing_twice_or_unstarted_is_no_error(settings: Settings) -> None:
    watch = watch_of(settings.asyncpg_dsn)
    await watch.close()
    await watch.start()
    await watch.close()
    await watch.close()


async def test_a_row_that_cannot_be_read_ends_nothing(
    settings: Settings, db: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once a look, and not over and over; what can be read afterwards is."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    watch = watch_of(settings.asyncpg_dsn)
    monkeypatch.setattr(watch, "_read", lambda row: str(int(row[0])))
    await write(db, "7")
    await watch.start()
    assert watch.value == "7"
    with capture_logs() as logs:
        await write(db, "nonsense")
        await asyncio.sleep(0.3)
        assert watch.value == "7"
        await write(db, "8")
        await becomes(watch, "8")
    await watch.close()
    assert {(line["event"], line["channel"]) for line in logs} == {("watch_broken", "site_config")}
    assert 1 <= len(logs) <= 10


async def test_a_statement_that_fails_is_not_sent_again_at_once(settings: Settings) -> None:
    """As before the first migration: one look each few seconds, not as many as the database can refuse."""
    watch = Watch(
        settings.asyncpg_dsn, channel="site_config", statement="SELECT none FROM nothing", read=str, unknown="unknown"
    )
    with capture_logs() as logs:
        task = asyncio.create_task(watch.start())
        await asyncio.sleep(0.5)
    assert [(line["event"], line["reason"]) for line in logs] == [("watch_failed", "UndefinedTableError")]
    assert watch.value == "unknown"
    task.cancel()
    await asyncio.wait({task})
    await watch.close()
