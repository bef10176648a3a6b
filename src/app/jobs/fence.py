"""Procrastinate's job manager, made safe for workers that were taken for dead and are not.

It also tells when a heartbeat was stored, for `jobs health`.
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import structlog
from procrastinate.connector import BaseAsyncConnector
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import QUEUEING_LOCK_CONSTRAINT, JobManager

log = structlog.get_logger("app.jobs")

# Long enough for a server that restarts; no longer than a worker has to drain.
TRIES, PAUSE_SECONDS = 8, 0.5

# Procrastinate ends a job by its id alone, so a worker that comes back would end its successor's run.
_OURS = """
      FROM (SELECT id FROM procrastinate_jobs
             WHERE id = %(job_id)s AND worker_id = %(worker_id)s AND attempts = %(attempts)s AND status = 'doing'
               FOR UPDATE) AS ours
"""
_FINISH = "SELECT procrastinate_finish_job_v1(ours.id, %(status)s, %(delete_job)s)::text" + _OURS
# The pause is added to the database's clock: the worker's may be wrong.
_RETRY = (
    "SELECT procrastinate_retry_job_v2("
    "ours.id, now() + make_interval(secs => %(pause)s), %(priority)s, %(queue)s, %(lock)s)::text" + _OURS
)


class FencedJobs(JobManager):
    """Ends a job only for the run that the job is in. `on_heartbeat` is called after each heartbeat that was stored."""

    def __init__(self, connector: BaseAsyncConnector, on_heartbeat: Callable[[], None]) -> None:
        super().__init__(connector)
        self._on_heartbeat = on_heartbeat

    async def register_worker(self) -> int:
        worker_id = int(await super().register_worker())
        self._on_heartbeat()
        return worker_id

    async def update_heartbeat(self, worker_id: int) -> None:
        await super().update_heartbeat(worker_id)
        self._on_heartbeat()

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - Procrastinate's signature
        await self._if_ours(_FINISH, job, status=status.value, delete_job=delete_job)

    async def retry_job(
        self,
        job: Job,
        retry_at: dt.datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Back into the queue, unless a job with the same queueing lock waits there: then that one does the work."""
        now = dt.datetime.now(dt.UTC)
        pause = max(0.0, ((retry_at or now) - now).total_seconds())
        try:
            await self._if_ours(_RETRY, job, pause=pause, priority=priority, queue=queue, lock=lock)
        except UniqueViolation as error:
            if error.constraint_name != QUEUEING_LOCK_CONSTRAINT:
                raise
            await self.finish_job(job, Status.ABORTED, delete_job=False)

    async def _if_ours(self, query: Any, job: Job, **values: Any) -> None:
        """Also through a connection that breaks: without this its job would stay in the hands of a worker that lives.

        Asked for twice is done once: the first time ends the run, and the second one finds it ended.
        """
        run = {"job_id": job.id, "worker_id": job.worker_id, "attempts": job.attempts}
        for tries_left in reversed(range(TRIES)):
            try:
                found = await self.connector.execute_query_all_async(query, **run, **values)
            except ConnectorException as error:
                if isinstance(error, UniqueViolation) or not tries_left:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                break
        if not found:
            log.warning("run_was_taken_over", job=job.task_name, job_id=job.id)
