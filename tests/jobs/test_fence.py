"""A run that has been taken over can neither end nor repeat its job."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs import fence
from app.jobs.fence import FencedJobs
from app.jobs.queue import announce, defer
from app.jobs.schedule import JOBS
from app.settings import Settings

announce(JOBS)
NAME = "upkeep:remove_old_jobs"


@pytest.fixture
async def jobs(settings: Settings, _clean: None) -> AsyncIterator[FencedJobs]:
    connector = PsycopgConnector(conninfo=settings.asyncpg_dsn, min_size=1, max_size=1)
    await connector.open_async()
    yield FencedJobs(connector, lambda: None)
    await connector.close_async()


async def _started(db: AsyncSession, jobs: FencedJobs, queueing_lock: str | None = None) -> Job:
    await defer(db, NAME, queueing_lock=queueing_lock)
    await db.commit()
    job = await jobs.fetch_job(queues=None, worker_id=await jobs.register_worker())
    assert job is not None
    return job


async def _state(db: AsyncSession, job: Job) -> tuple[object, ...]:
    row = await db.execute(text("SELECT status::text, attempts FROM procrastinate_jobs WHERE id = :id"), {"id": job.id})
    await db.rollback()
    return tuple(row.one())


async def test_a_run_ends_its_own_job(db: AsyncSession, jobs: FencedJobs) -> None:
    job = await _started(db, jobs)
    await jobs.finish_job(job, Status.SUCCEEDED, delete_job=False)
    assert await _state(db, job) == ("succeeded", 1)


async def test_a_run_repeats_its_own_job_after_a_pause(db: AsyncSession, jobs: FencedJobs) -> None:
    job = await _started(db, jobs)
    await jobs.retry_job(job)
    assert await _state(db, job) == ("todo", 1)
    again = await jobs.fetch_job(queues=None, worker_id=await jobs.register_worker())
    assert again is not None
    assert (again.id, again.attempts) == (job.id, 1)


async def test_a_run_that_was_taken_over_changes_nothing(db: AsyncSession, jobs: FencedJobs) -> None:
    old = await _started(db, jobs)
    await jobs.retry_job(old)
    assert await jobs.fetch_job(queues=None, worker_id=await jobs.register_worker()) is not None
    await jobs.finish_job(old, Status.SUCCEEDED, delete_job=False)
    await jobs.finish_job(old, Status.FAILED, delete_job=True)
    await jobs.retry_job(old)
    assert await _state(db, old) == ("doing", 1)


async def test_a_retry_gives_way_to_a_twin_that_waits(db: AsyncSession, jobs: FencedJobs) -> None:
    """Else the retry would break the queueing lock and leave the job running for ever."""
    job = await _started(db, jobs, "sheet")
    await defer(db, NAME, queueing_lock="sheet")
    await db.commit()
    await jobs.retry_job(job)
    assert await _state(db, job) == ("aborted", 1)


async def test_a_heartbeat_is_told_after_it_was_stored(settings: Settings, db: AsyncSession) -> None:
    connector = PsycopgConnector(conninfo=settings.asyncpg_dsn, min_size=1, max_size=1)
    await connector.open_async()
    told: list[str] = []
    jobs = FencedJobs(connector, lambda: told.append("beat"))
    worker = await jobs.register_worker()
    await jobs.update_heartbeat(worker)
    await connector.close_async()
    assert told == ["beat", "beat"]


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_run_ends_its_job_through_a_broken_connection(
    db: AsyncSession, jobs: FencedJobs, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Whether the statement was lost or what it answered: the next one ends the run, or finds it ended."""
    job = await _started(db, jobs)
    real, calls = jobs.connector.execute_query_all_async, []

    async def once_broken(query: str, **values: Any) -> Any:
        calls.append(query)
        answer = await real(query, **values) if len(calls) > 1 or lost == "answer" else None
        if len(calls) == 1:
            raise ConnectorException
        return answer

    monkeypatch.setattr(jobs.connector, "execute_query_all_async", once_broken)
    monkeypatch.setattr(fence, "PAUSE_SECONDS", 0)
    await jobs.finish_job(job, Status.SUCCEEDED, delete_job=False)
    assert len(calls) == 2
    assert await _state(db, job) == ("succeeded", 1)
