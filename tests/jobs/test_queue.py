"""Deferring in the caller's transaction."""

import asyncio
import datetime as dt
import json
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs import queue
from app.jobs.queue import Job, UnknownJob, announce, announced, defer, defer_many, job
from app.jobs.work import Work
from app.settings import Settings

Sessions = async_sessionmaker[AsyncSession]


async def _run(work: Work, number: int, label: str = "") -> None:
    """Never called here: these tests look at what is queued."""


PROBE = Job("probe:queue", _run)


@pytest.fixture(autouse=True)
def _probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_known", {})
    announce([PROBE])


async def _queued(sessions: Sessions) -> list[tuple[int, str, str, int]]:
    async with sessions() as session:
        rows = await session.execute(
            text("SELECT id, queue_name, args::text, priority FROM procrastinate_jobs ORDER BY id")
        )
        return [tuple(row) for row in rows]


async def test_a_rollback_leaves_nothing(db: AsyncSession, sessions: Sessions) -> None:
    await db.execute(text("SELECT 1"))
    assert await defer(db, "probe:queue", number=1)
    await db.rollback()
    assert await _queued(sessions) == []


async def test_a_rollback_leaves_nothing_when_the_defer_came_first(db: AsyncSession, sessions: Sessions) -> None:
    assert await defer(db, "probe:queue", number=1)
    assert await defer_many(db, "probe:queue", [{"number": 2}, {"number": 3}])
    await db.rollback()
    assert await _queued(sessions) == []


async def test_a_job_is_seen_after_the_commit_and_not_before(db: AsyncSession, sessions: Sessions) -> None:
    job_id = await defer(db, "probe:queue", number=7, label="ñandú")
    assert await _queued(sessions) == []
    await db.commit()
    ((found, name, args, priority),) = await _queued(sessions)
    assert (found, name, priority) == (job_id, "default", 0)
    assert json.loads(args) == {"number": 7, "label": "ñandú"}


async def test_queue_priority_lock_and_time_are_kept(db: AsyncSession) -> None:
    at = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    job_id = await defer(db, "probe:queue", queue="mail", priority=-5, lock="order-1", schedule_at=at, number=1)
    statement = "SELECT queue_name, priority, lock, queueing_lock, scheduled_at, status::text FROM procrastinate_jobs"
    row = (await db.execute(text(f"{statement} WHERE id = :id"), {"id": job_id})).one()
    assert tuple(row) == ("mail", -5, "order-1", None, at, "todo")


async def test_a_time_without_a_zone_is_refused(db: AsyncSession, sessions: Sessions) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await defer(db, "probe:queue", schedule_at=dt.datetime(2031, 5, 6), number=1)  # noqa: DTZ001
    await db.commit()
    assert await _queued(sessions) == []


async def test_values_that_json_lacks_become_text(db: AsyncSession) -> None:
    token = UUID("00000000-0000-4000-8000-000000000001")
    await defer(db, "probe:queue", number=1, label=token)
    await defer(db, "probe:queue", number=1, label=Decimal("1.10"))
    rows = await db.execute(text("SELECT args ->> 'label' FROM procrastinate_jobs ORDER BY id"))
    assert list(rows.scalars()) == [str(token), "1.10"]


async def test_ids_of_a_batch_come_in_the_order_of_its_arguments(db: AsyncSession) -> None:
    ids = await defer_many(db, "probe:queue", [{"number": n} for n in range(2500)])
    assert ids == sorted(ids)
    rows = await db.execute(text("SELECT id, args ->> 'number' FROM procrastinate_jobs ORDER BY id"))
    assert [tuple(row) for row in rows] == [(job_id, str(n)) for n, job_id in enumerate(ids)]


async def test_of_many_jobs_a_worker_hears_once(db: AsyncSession, settings: Settings) -> None:
    """Each has its note of when it was queued; that there are some is said once a queue and statement."""
    heard: list[dict[str, object]] = []
    listener = await asyncpg.connect(settings.asyncpg_dsn)
    try:
        for channel in ("procrastinate_any_queue_v1", "procrastinate_queue_v1#mail"):
            await listener.add_listener(channel, lambda *told: heard.append({told[2]: json.loads(told[3])}))
        ids = await defer_many(db, "probe:queue", [{"number": n} for n in range(5)], queue="mail")
        await db.commit()
        async with asyncio.timeout(4):
            while len(heard) < 2:
                await asyncio.sleep(0.002)
        await listener.execute("SELECT 1")
    finally:
        await listener.close()
    said = {"type": "job_inserted", "job_id": max(ids)}
    assert heard == [{"procrastinate_queue_v1#mail": said}, {"procrastinate_any_queue_v1": said}]
    notes = await db.execute(text("SELECT job_id, type::text FROM procrastinate_events ORDER BY id"))
    assert [tuple(row) for row in notes] == [(job_id, "deferred") for job_id in ids]


async def test_an_empty_batch_is_no_job(db: AsyncSession) -> None:
    assert await defer_many(db, "probe:queue", []) == []


async def test_an_unknown_name_is_an_error_and_queues_nothing(db: AsyncSession, sessions: Sessions) -> None:
    with pytest.raises(UnknownJob, match="probe:mistyped"):
        await defer(db, "probe:mistyped", number=1)
    with pytest.raises(UnknownJob, match="probe:mistyped"):
        await defer_many(db, "probe:mistyped", [{"number": 1}])
    await db.commit()
    assert await _queued(sessions) == []


@pytest.mark.parametrize("args", [{}, {"numbr": 1}, {"number": 1, "more": 2}])
async def test_arguments_that_the_job_does_not_take_are_an_error(db: AsyncSession, args: dict[str, int]) -> None:
    with pytest.raises(UnknownJob, match="probe:queue"):
        await defer(db, "probe:queue", **args)


async def test_a_second_job_of_a_queueing_lock_is_none_and_the_transaction_lives(
    db: AsyncSession, sessions: Sessions
) -> None:
    first = await defer(db, "probe:queue", queueing_lock="sheet", number=1)
    await db.commit()
    assert await defer(db, "probe:queue", queueing_lock="sheet", number=2) is None
    other = await defer(db, "probe:queue", queueing_lock="other", number=3)
    await db.commit()
    assert [row[0] for row in await _queued(sessions)] == [first, other]


async def test_the_job_that_waits_already_is_not_fetched_before_the_commit(
    db: AsyncSession, sessions: Sessions
) -> None:
    """Else it could run before the commit and miss what this transaction wrote."""
    fetch = text("SELECT id FROM procrastinate_fetch_job_v2(NULL, NULL)")
    first = await defer(db, "probe:queue", queueing_lock="sheet", number=1)
    await db.commit()
    assert await defer(db, "probe:queue", queueing_lock="sheet", number=2) is None
    async with sessions() as worker:
        assert (await worker.execute(fetch)).scalar() is None
        await worker.rollback()
        await db.commit()
        assert (await worker.execute(fetch)).scalar() == first


async def test_two_transactions_may_find_the_same_job_waiting(db: AsyncSession, sessions: Sessions) -> None:
    await defer(db, "probe:queue", queueing_lock="sheet", number=1)
    await db.commit()
    assert await defer(db, "probe:queue", queueing_lock="sheet", number=2) is None
    async with sessions() as other, asyncio.timeout(5):
        assert await defer(other, "probe:queue", queueing_lock="sheet", number=3) is None


async def test_another_broken_constraint_is_not_taken_for_a_queueing_lock(db: AsyncSession) -> None:
    with pytest.raises(IntegrityError):
        await defer(db, "probe:queue", queueing_lock="sheet", priority=None, number=1)  # type: ignore[arg-type]


def test_the_application_announces_every_job(app: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in ("upkeep:rescue_stalled", "upkeep:remove_old_jobs", "upkeep:sweep_expired_holds"):
        assert announced(name).name == name


def test_the_decorator_makes_a_job() -> None:
    made = job("probe:made", seconds=3.0, retries=2, housekeeping=True)(_run)
    assert made == Job("probe:made", _run, 3.0, 2, True)
