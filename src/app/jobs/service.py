"""The queue as rows: what waits and what ran, jobs of dead workers, old jobs. Works in the caller's transaction."""

import datetime as dt
from collections.abc import Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.queue import announced_jobs

STATES = ("todo", "doing", "succeeded", "failed", "aborted", "cancelled")
HEARTBEAT_SECONDS = 5
# After this long without a heartbeat a worker is taken for dead.
STALLED_SECONDS = 15
# A job that was running when its worker died this many times is kept as failed: it may be what kills them.
MAX_CRASHES = 3
# Whoever died with it comes back at another moment than it does: run again together, they would die together again.
# Within so many seconds after the first time; what was there twice comes later, so that workers do not die in a row.
SPREAD_SECONDS, SPREAD_GROWTH = 30.0, 6
# A run ends by itself at its job's limit. A job that has been running for so much longer is in nobody's hands: its
# worker, though it lives, could not write down that it took it or that it ended it.
LATE_SECONDS = 30.0
HOUSEKEEPING_HOURS = 1
SUCCEEDED_HOURS = 24
UNSUCCESSFUL_HOURS = 30 * 24

_CRASHED = text("""
    WITH stalled AS (
        SELECT job.id
          FROM procrastinate_jobs AS job
          LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id
          LEFT JOIN unnest(CAST(:names AS text[]), CAST(:limits AS float8[])) AS bound (name, seconds)
            ON bound.name = job.task_name
         WHERE job.status = 'doing'
           AND (worker.id IS NULL OR worker.last_heartbeat < clock_timestamp() - make_interval(secs => :seconds)
                OR clock_timestamp() - make_interval(secs => bound.seconds + :late) > (
                    SELECT max(event.at) FROM procrastinate_events AS event
                     WHERE event.job_id = job.id AND event.type = 'started'))
         ORDER BY job.id LIMIT :limit
           FOR UPDATE OF job SKIP LOCKED
    )
    UPDATE procrastinate_jobs AS job SET status = 'failed'
      FROM stalled WHERE job.id = stalled.id
    RETURNING job.id
""")

# The step from failed to todo leaves the event `retried`, which an ordinary retry does not: so crashes are counted
# apart from errors. A job whose twin (same queueing lock) waits already stays failed: the twin does its work.
_RETRY = text("""
    WITH crashed AS (
        SELECT job.id, job.abort_requested, job.queueing_lock,
               row_number() OVER (PARTITION BY job.queueing_lock ORDER BY job.id DESC) AS place,
               (SELECT count(*) FROM procrastinate_events AS event
                 WHERE event.job_id = job.id AND event.type = 'retried') + 1 AS crashes
          FROM procrastinate_jobs AS job WHERE job.id = ANY(:ids)
    )
    SELECT id, procrastinate_retry_job_v2(
               id, clock_timestamp() + random() * make_interval(secs => :spread * power(:growth, crashes - 1)),
               NULL, NULL, NULL)::text
      FROM crashed
     WHERE NOT abort_requested AND crashes < :crashes
       AND (queueing_lock IS NULL OR place = 1 AND NOT EXISTS (
            SELECT FROM procrastinate_jobs AS twin
             WHERE twin.queueing_lock = crashed.queueing_lock AND twin.status = 'todo'))
""")

_REMOVE = text("""
    DELETE FROM procrastinate_jobs WHERE id IN (
        SELECT job.id FROM procrastinate_jobs AS job
         WHERE job.status NOT IN ('todo', 'doing')
           AND EXISTS (
               SELECT FROM procrastinate_events AS event
                WHERE event.job_id = job.id
                  AND event.type IN ('succeeded', 'failed', 'aborted', 'cancelled')
                  AND event.at < now() - make_interval(hours => CASE
                      WHEN job.status <> 'succeeded' THEN CAST(:unsuccessful AS int)
                      WHEN job.task_name = ANY(:housekeeping) THEN CAST(:housekeeping_hours AS int)
                      ELSE CAST(:succeeded AS int) END)
           )
         ORDER BY job.id LIMIT :limit
           FOR UPDATE SKIP LOCKED
    )
""")

_FORGET_WORKERS = text("DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - interval '1 hour'")

_COUNTS = text("""
    SELECT status::text, count(*) FROM procrastinate_jobs
     WHERE (CAST(:name AS text) IS NULL OR task_name = :name) AND (CAST(:queue AS text) IS NULL OR queue_name = :queue)
     GROUP BY status
""")

_NEWEST = text("""
    SELECT job.id, job.task_name, job.queue_name, job.status::text, job.attempts, job.args, job.scheduled_at,
           (SELECT max(event.at) FROM procrastinate_events AS event
             WHERE event.job_id = job.id AND event.type <> 'scheduled')
      FROM procrastinate_jobs AS job
     WHERE (CAST(:name AS text) IS NULL OR job.task_name = :name)
       AND (CAST(:queue AS text) IS NULL OR job.queue_name = :queue)
       AND (CAST(:status AS text) IS NULL OR job.status::text = :status)
     ORDER BY job.id DESC LIMIT :limit
""")


# A job is due from its time on, or from the moment when it was queued.
_OLDEST = text("""
    SELECT job.id, job.task_name, EXTRACT(epoch FROM clock_timestamp() - due.at) AS waited, count(*) OVER () AS due
      FROM procrastinate_jobs AS job
     CROSS JOIN LATERAL (
           SELECT COALESCE(job.scheduled_at, (SELECT max(event.at) FROM procrastinate_events AS event
                                               WHERE event.job_id = job.id AND event.type = 'deferred')) AS at) due
     WHERE job.status = 'todo' AND due.at <= clock_timestamp()
     ORDER BY due.at, job.id LIMIT 1
""")

_FAILURES = text("""
    SELECT job.task_name, count(*), max(event.at)
      FROM procrastinate_jobs AS job JOIN procrastinate_events AS event ON event.job_id = job.id
     WHERE job.status = 'failed' AND event.type = 'failed' AND event.at > now() - make_interval(hours => :hours)
     GROUP BY 1 ORDER BY 2 DESC, 1
""")


class JobRow(msgspec.Struct, frozen=True):
    """A job as staff see it; `at` is its last event."""

    id: int
    name: str
    queue: str
    status: str
    attempts: int
    args: dict[str, object]
    scheduled_at: dt.datetime | None
    at: dt.datetime | None


class Oldest(msgspec.Struct, frozen=True):
    """The due job that has waited longest, and how many are due."""

    id: int
    name: str
    waited_seconds: float
    due: int


class Failures(msgspec.Struct, frozen=True):
    """How often a job has failed for good lately, and when it did so last."""

    name: str
    count: int
    last_at: dt.datetime


class Rescue(msgspec.Struct, frozen=True):
    """Jobs found with a dead worker: run again, or given up."""

    retried: Sequence[int]
    given_up: Sequence[int]


class QueueService:
    """Reads the queue, and keeps it in order."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def rescue(
        self, *, seconds: float = STALLED_SECONDS, spread: float = SPREAD_SECONDS, limit: int = 500
    ) -> Rescue:
        """Let the jobs of dead workers run again, each at most MAX_CRASHES times in all; the others end as failed.

        They do so within `spread` seconds, at different moments.

        Likewise those that have been running for much longer than they may.
        """
        known = announced_jobs()
        values = {"names": [one.name for one in known], "limits": [one.seconds for one in known], "late": LATE_SECONDS}
        found = await self.session.execute(_CRASHED, {"seconds": seconds, "limit": limit} | values)
        ids = sorted(found.scalars())
        if not ids:
            return Rescue((), ())
        again = {"ids": ids, "crashes": MAX_CRASHES, "spread": spread, "growth": SPREAD_GROWTH}
        retried = (await self.session.execute(_RETRY, again)).scalars().all()
        return Rescue(retried, [job_id for job_id in ids if job_id not in set(retried)])

    async def remove_old(self, housekeeping: Sequence[str], *, limit: int = 5000) -> int:
        """Forget finished jobs: housekeeping after an hour, successes after a day, others after a month; how many.

        Workers that have been silent for an hour are forgotten too.
        """
        await self.session.execute(_FORGET_WORKERS)
        values = {
            "housekeeping": list(housekeeping),
            "housekeeping_hours": HOUSEKEEPING_HOURS,
            "succeeded": SUCCEEDED_HOURS,
            "unsuccessful": UNSUCCESSFUL_HOURS,
            "limit": limit,
        }
        removed = await self.session.execute(_REMOVE, values)
        return int(getattr(removed, "rowcount", 0))

    async def counts(self, *, name: str | None = None, queue: str | None = None) -> dict[str, int]:
        """How many jobs are in each state."""
        found = await self.session.execute(_COUNTS, {"name": name, "queue": queue})
        by_state = {str(state): int(count) for state, count in found}
        return {state: by_state.get(state, 0) for state in STATES}

    async def oldest(self) -> Oldest | None:
        """None when no job is due."""
        row = (await self.session.execute(_OLDEST)).one_or_none()
        return None if row is None else Oldest(row.id, row.task_name, round(float(row.waited), 1), row.due)

    async def failures(self, *, hours: int) -> list[Failures]:
        """Of the last hours, the most frequent first."""
        return [Failures(*row) for row in await self.session.execute(_FAILURES, {"hours": hours})]

    async def newest(
        self, limit: int, *, name: str | None = None, queue: str | None = None, status: str | None = None
    ) -> list[JobRow]:
        """The newest jobs first."""
        values = {"name": name, "queue": queue, "status": status, "limit": limit}
        return [JobRow(*row) for row in await self.session.execute(_NEWEST, values)]
