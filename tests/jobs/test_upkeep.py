"""Jobs of dead workers, old jobs, and the schedule."""

import datetime as dt
import inspect
from collections.abc import Callable

import pytest
from croniter import croniter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs import upkeep
from app.jobs.queue import JOB_SECONDS, announce, defer
from app.jobs.schedule import JOBS, SCHEDULE
from app.jobs.service import LATE_SECONDS, MAX_CRASHES, SPREAD_GROWTH, SPREAD_SECONDS, QueueService, Rescue
from app.jobs.work import Run, RunTaken, Work
from app.settings import Settings
from tests.factories import make_user

announce(JOBS)
NAME = "upkeep:remove_old_jobs"
Sessions = async_sessionmaker[AsyncSession]


async def _worker(db: AsyncSession, *, silent_for: int = 0) -> int:
    statement = text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => :s))")
    await db.execute(statement, {"s": silent_for})
    return int((await db.execute(text("SELECT max(id) FROM procrastinate_workers"))).scalar_one())


async def _start(db: AsyncSession, worker: int | None) -> int | None:
    """The next job, also one that waits for its time."""
    await db.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'"))
    fetched = await db.execute(text("SELECT id FROM procrastinate_fetch_job_v2(NULL, :worker)"), {"worker": worker})
    return fetched.scalar()


async def _job(db: AsyncSession, job_id: int) -> tuple[str, int]:
    row = await db.execute(text("SELECT status::text, attempts FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})
    return tuple(row.one())  # type: ignore[return-value]


async def _defer(db: AsyncSession, queueing_lock: str | None = None) -> int:
    job_id = await defer(db, NAME, queueing_lock=queueing_lock)
    assert job_id is not None
    return job_id


async def test_a_job_of_a_dead_worker_runs_again(db: AsyncSession) -> None:
    job_id = await _defer(db)
    assert await _start(db, await _worker(db, silent_for=16)) == job_id
    assert await QueueService(db).rescue() == Rescue([job_id], [])
    assert await _job(db, job_id) == ("todo", 1)
    assert await _start(db, await _worker(db)) == job_id


async def test_who_died_together_does_not_come_back_together(db: AsyncSession) -> None:
    """One of them may be what killed the worker: the others are not to be with it again."""
    jobs = [await _defer(db) for _ in range(40)]
    for crash in range(1, MAX_CRASHES):
        while await _start(db, None):
            pass
        assert set((await QueueService(db).rescue()).retried) == set(jobs)
        waits = "SELECT extract(epoch FROM scheduled_at - clock_timestamp())::float8 FROM procrastinate_jobs"
        found = sorted((await db.execute(text(waits))).scalars())
        longest = SPREAD_SECONDS * SPREAD_GROWTH ** (crash - 1)
        assert -1 < found[0] < longest / 2 < found[-1] <= longest
        assert len(set(found)) == len(jobs)


async def test_a_job_whose_worker_is_gone_altogether_runs_again(db: AsyncSession) -> None:
    job_id = await _defer(db)
    await _start(db, None)
    assert await QueueService(db).rescue() == Rescue([job_id], [])


async def test_a_job_of_a_living_worker_is_left_alone(db: AsyncSession) -> None:
    job_id = await _defer(db)
    await _start(db, await _worker(db, silent_for=14))
    assert await QueueService(db).rescue() == Rescue((), ())
    assert await _job(db, job_id) == ("doing", 0)


@pytest.mark.parametrize(("beyond", "rescued"), [(-5, False), (5, True)])
async def test_a_job_that_runs_for_too_long_is_in_nobodys_hands(db: AsyncSession, beyond: int, rescued: bool) -> None:
    """Its worker lives, and knows nothing of it."""
    job_id = await _defer(db)
    await _start(db, await _worker(db))
    since = text("UPDATE procrastinate_events SET at = at - make_interval(secs => :s) WHERE type = 'started'")
    await db.execute(since, {"s": JOB_SECONDS + LATE_SECONDS + beyond})
    assert await QueueService(db).rescue() == Rescue([job_id] if rescued else (), [] if rescued else ())
    assert await _job(db, job_id) == (("todo", 1) if rescued else ("doing", 0))


async def test_a_job_that_dies_with_every_worker_is_given_up(db: AsyncSession) -> None:
    job_id = await _defer(db)
    for crash in range(1, MAX_CRASHES):
        await _start(db, None)
        assert await QueueService(db).rescue() == Rescue([job_id], [])
        assert await _job(db, job_id) == ("todo", crash)
    await _start(db, None)
    assert await QueueService(db).rescue() == Rescue([], [job_id])
    assert await _job(db, job_id) == ("failed", MAX_CRASHES - 1)
    assert await QueueService(db).rescue() == Rescue((), ())


async def test_errors_are_not_counted_as_crashes(db: AsyncSession) -> None:
    job_id = await _defer(db)
    for _ in range(MAX_CRASHES + 1):
        await _start(db, None)
        await db.execute(text("SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)"), {"id": job_id})
    await _start(db, None)
    assert await QueueService(db).rescue() == Rescue([job_id], [])
    assert await _job(db, job_id) == ("todo", MAX_CRASHES + 2)


async def test_a_crashed_job_whose_twin_waits_stays_failed(db: AsyncSession) -> None:
    job_id = await _defer(db, "sheet")
    await _start(db, None)
    twin = await _defer(db, "sheet")
    assert await QueueService(db).rescue() == Rescue([], [job_id])
    assert await _job(db, twin) == ("todo", 0)


async def test_of_two_crashed_twins_one_runs_again(db: AsyncSession) -> None:
    first = await _defer(db, "sheet")
    await _start(db, None)
    second = await _defer(db, "sheet")
    await _start(db, None)
    assert await QueueService(db).rescue() == Rescue([second], [first])


async def test_a_crashed_job_that_was_to_be_aborted_is_not_repeated(db: AsyncSession) -> None:
    job_id = await _defer(db)
    await _start(db, None)
    await db.execute(text("SELECT procrastinate_cancel_job_v1(:id, true, false)"), {"id": job_id})
    assert await QueueService(db).rescue() == Rescue([], [job_id])


async def test_a_job_that_is_finishing_is_left_to_its_worker(db: AsyncSession, sessions: Sessions) -> None:
    job_id = await _defer(db)
    await _start(db, None)
    await db.commit()
    async with sessions() as finishing:
        await finishing.execute(text("SELECT FROM procrastinate_jobs WHERE id = :id FOR SHARE"), {"id": job_id})
        assert await QueueService(db).rescue() == Rescue((), ())


async def test_a_worker_that_was_taken_for_dead_keeps_nothing(
    db: AsyncSession, sessions: Sessions, settings: Settings
) -> None:
    job_id, worker = await _defer(db), await _worker(db, silent_for=16)
    await _start(db, worker)
    await db.commit()
    frozen = Work(settings, sessions, Run(job_id, worker, attempts=0))

    async def come_back() -> None:
        async with frozen.transaction() as session:
            await defer(session, NAME)
            await QueueService(db).rescue()
            await db.commit()

    with pytest.raises(RunTaken):
        await come_back()
    assert (await QueueService(db).counts())["todo"] == 1


async def test_a_run_that_is_still_its_own_is_kept(db: AsyncSession, sessions: Sessions, settings: Settings) -> None:
    job_id, worker = await _defer(db), await _worker(db)
    await _start(db, worker)
    await db.commit()
    async with Work(settings, sessions, Run(job_id, worker, attempts=0)).transaction() as session:
        added = await _defer(session)
    assert await _job(db, added) == ("todo", 0)


async def _finished(db: AsyncSession, name: str, state: str, age: dt.timedelta) -> int:
    insert = (
        "INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('default', :name, :state) RETURNING id"
    )
    job_id: int = (await db.execute(text(insert), {"name": name, "state": state})).scalar_one()
    event = "INSERT INTO procrastinate_events (job_id, type, at) VALUES (:id, :state, now() - CAST(:age AS interval))"
    await db.execute(text(event), {"id": job_id, "state": state, "age": age})
    return job_id


@pytest.mark.parametrize(
    ("name", "state", "age", "kept"),
    [
        ("orders:paid", "succeeded", dt.timedelta(hours=23), True),
        ("orders:paid", "succeeded", dt.timedelta(hours=25), False),
        (NAME, "succeeded", dt.timedelta(minutes=59), True),
        (NAME, "succeeded", dt.timedelta(minutes=61), False),
        (NAME, "failed", dt.timedelta(days=29), True),
        ("orders:paid", "failed", dt.timedelta(days=31), False),
        ("orders:paid", "aborted", dt.timedelta(days=31), False),
        ("orders:paid", "cancelled", dt.timedelta(days=31), False),
    ],
)
async def test_old_jobs_are_removed(db: AsyncSession, name: str, state: str, age: dt.timedelta, kept: bool) -> None:
    job_id = await _finished(db, name, state, age)
    assert await QueueService(db).remove_old([NAME]) == (0 if kept else 1)
    found = await db.execute(text("SELECT count(*) FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})
    assert found.scalar_one() == int(kept)


async def test_waiting_and_running_jobs_are_never_removed(db: AsyncSession) -> None:
    doing, todo = await _defer(db), await _defer(db)
    await _start(db, None)
    await db.execute(text("UPDATE procrastinate_events SET at = now() - interval '99 days'"))
    assert await QueueService(db).remove_old([NAME]) == 0
    assert [await _job(db, doing), await _job(db, todo)] == [("doing", 0), ("todo", 0)]


@pytest.mark.parametrize("entry", SCHEDULE, ids=lambda entry: entry.job.name)
def test_every_periodic_job_is_known_and_takes_no_arguments(entry: object) -> None:
    assert entry.job in JOBS  # type: ignore[attr-defined]
    assert list(inspect.signature(entry.job.run).parameters) == ["work"]  # type: ignore[attr-defined]
    assert croniter.is_valid(entry.cron)  # type: ignore[attr-defined]


def test_the_rescue_has_no_lock_and_comes_every_fifteen_seconds() -> None:
    """With a lock, a rescue that died would keep all later ones away."""
    (entry,) = [entry for entry in SCHEDULE if entry.job is upkeep.rescue_stalled]
    ticks = croniter(entry.cron, 0.0)
    assert [ticks.get_next(float) for _ in range(4)] == [15.0, 30.0, 45.0, 60.0]


async def test_tokens_that_are_over_for_a_day_are_forgotten(
    db: AsyncSession, sessions: Sessions, settings: Settings
) -> None:
    user = await make_user(db)
    await db.execute(
        text("""
            INSERT INTO refresh_tokens (jti, family, user_id, expires_at)
            SELECT gen_random_uuid(), gen_random_uuid(), :user, now() - make_interval(hours => h)
              FROM unnest(ARRAY[-1, 23, 25, 900]) AS h
        """),
        {"user": user.id},
    )
    await db.commit()
    assert await upkeep.forget_expired_tokens.run(Work(settings, sessions)) == 2
    left = await db.execute(text("SELECT count(*) FROM refresh_tokens WHERE expires_at > now() - interval '1 day'"))
    assert left.scalar_one() == 2


@pytest.mark.parametrize("one", [job for job in JOBS if job.name.startswith("upkeep:")], ids=lambda one: one.name)
async def test_every_upkeep_job_runs_on_an_empty_shop(
    one: Callable[..., object], db: AsyncSession, sessions: Sessions, settings: Settings
) -> None:
    assert await one.run(Work(settings, sessions)) == 0  # type: ignore[attr-defined]


async def test_dead_rows_of_the_queue_are_swept_however_many_jobs_are_kept(db: AsyncSession) -> None:
    options = (await db.execute(text("SELECT reloptions FROM pg_class WHERE relname = 'procrastinate_jobs'"))).scalar()
    assert {"autovacuum_vacuum_scale_factor=0", "autovacuum_vacuum_threshold=2000"} <= set(options)
