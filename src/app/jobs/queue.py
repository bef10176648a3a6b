"""Side effects as jobs: what a job is, and `defer`, which queues one in the caller's own transaction.

A job that is deferred exists exactly when the transaction that deferred it commits. Arguments are ids and plain values:
a job reads the truth when it runs, and must be safe to run twice. This module belongs to the base and knows no domain.
"""

import datetime as dt
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import constraint_of
from app.errors import Unavailable

QUEUEING_LOCK_CONSTRAINT = "procrastinate_jobs_queueing_lock_idx_v1"
JOB_SECONDS = 60.0
_BATCH = 1000
_TRIES = 5

# The same function that Procrastinate calls, with one JSON parameter, so that asyncpg needs no codec for the row type.
_DEFER = text("""
    SELECT unnest(procrastinate_defer_jobs_v1(ARRAY(
        SELECT ROW(j.queue_name, j.task_name, j.priority, j.lock, j.queueing_lock, j.args, j.scheduled_at)
               ::procrastinate_job_to_defer_v1
        FROM jsonb_array_elements(CAST(:jobs AS jsonb)) WITH ORDINALITY AS e(value, place)
        CROSS JOIN LATERAL jsonb_populate_record(NULL::procrastinate_job_to_defer_v1, e.value) AS j
        ORDER BY e.place
    ))) AS id
""")
# The worker fetches with SKIP LOCKED, so a job that is locked here starts after this transaction.
_KEEP_WAITING = text("SELECT id FROM procrastinate_jobs WHERE queueing_lock = :key AND status = 'todo' FOR SHARE")


class UnknownJob(LookupError):
    """No job of this name, or none that takes these arguments."""


_signature_of = cache(inspect.signature)


@dataclass(frozen=True)
class Job:
    """A named piece of later work. `run` takes the worker's `Work` and the arguments that were deferred."""

    name: str
    run: Callable[..., Awaitable[object]]
    seconds: float = JOB_SECONDS
    retries: int = 8
    # Housekeeping runs many times a minute: what it did is logged when it did something, and forgotten after an hour.
    housekeeping: bool = False

    def check(self, args: Mapping[str, Any]) -> None:
        """Raises UnknownJob for arguments that `run` does not take: better here than in a worker, later."""
        try:
            _signature_of(self.run).bind(None, **args)
        except TypeError as error:
            raise UnknownJob(f"{self.name}: {error}") from error


def job(
    name: str, *, seconds: float = JOB_SECONDS, retries: int = 8, housekeeping: bool = False
) -> Callable[[Callable[..., Awaitable[object]]], Job]:
    """Makes a coroutine function a job. It runs at most `seconds`, and again up to `retries` times when it fails."""

    def declare(run: Callable[..., Awaitable[object]]) -> Job:
        return Job(name, run, seconds, retries, housekeeping)

    return declare


_known: dict[str, Job] = {}


def announce(jobs: Iterable[Job]) -> None:
    """Says which jobs exist. Every process that defers does this once, when it is put together."""
    _known.update({one.name: one for one in jobs})


def announced(name: str) -> Job:
    """The job of this name. Raises UnknownJob."""
    try:
        return _known[name]
    except KeyError:
        raise UnknownJob(f"no job is called {name!r}") from None


def announced_jobs() -> tuple[Job, ...]:
    return tuple(_known.values())


async def defer(
    session: AsyncSession,
    task: str,
    /,
    *,
    queue: str = "default",
    priority: int = 0,
    lock: str | None = None,
    queueing_lock: str | None = None,
    schedule_at: dt.datetime | None = None,
    **args: Any,
) -> int | None:
    """Queue a job in the session's transaction; its id.

    None when a job with the same `queueing_lock` waits already: that one starts after this transaction has ended, so it
    sees what the caller wrote. Jobs of one `lock` run one after the other. Raises UnknownJob.
    """
    row = _row(task, args, queue, priority, schedule_at) | {"lock": lock, "queueing_lock": queueing_lock}
    if queueing_lock is None:
        return (await _insert(session, [row]))[0]
    for _ in range(_TRIES):
        try:
            async with session.begin_nested():
                return (await _insert(session, [row]))[0]
        except IntegrityError as error:
            if constraint_of(error) != QUEUEING_LOCK_CONSTRAINT:
                raise
        if (await session.execute(_KEEP_WAITING, {"key": queueing_lock})).first() is not None:
            return None
    raise Unavailable  # such jobs come and go faster than one of them can be held on to


async def defer_all(session: AsyncSession, jobs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """Queue several jobs in one statement, each a name and its arguments; their ids. Raises UnknownJob."""
    return await _insert(session, [_row(task, args, "default", 0, None) for task, args in jobs])


async def defer_many(
    session: AsyncSession,
    task: str,
    many: Sequence[Mapping[str, Any]],
    /,
    *,
    queue: str = "default",
    priority: int = 0,
    schedule_at: dt.datetime | None = None,
) -> list[int]:
    """Queue one job for each set of arguments; their ids in the same order. Raises UnknownJob."""
    rows = [_row(task, args, queue, priority, schedule_at) for args in many]
    ids: list[int] = []
    for start in range(0, len(rows), _BATCH):
        ids += await _insert(session, rows[start : start + _BATCH])
    return ids


def _row(
    task: str, args: Mapping[str, Any], queue: str, priority: int, schedule_at: dt.datetime | None
) -> dict[str, Any]:
    announced(task).check(args)
    if schedule_at is not None and schedule_at.tzinfo is None:
        raise ValueError("schedule_at needs a time zone")
    return {
        "queue_name": queue,
        "task_name": task,
        "priority": priority,
        "args": args,
        "scheduled_at": schedule_at,
    }


async def _insert(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    # Through the session, never the raw driver connection: SQLAlchemy sends BEGIN with its first statement, and a raw
    # call before that would commit by itself and survive a rollback.
    result = await session.execute(_DEFER, {"jobs": msgspec.json.encode(rows).decode()})
    return list(result.scalars())
