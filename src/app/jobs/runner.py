"""Procrastinate's app for the worker: our jobs as its tasks, each run with its time limit and one line in the log."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import structlog
from procrastinate import App, JobContext, PsycopgConnector
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs.fence import FencedJobs
from app.jobs.queue import Job, announce
from app.jobs.retries import Backoff
from app.jobs.schedule import Periodic
from app.jobs.work import Providers, Run, Work
from app.metrics import JOBS as JOB_RUNS
from app.settings import Settings
from app.tracing import Tracing, job_span

NO_PROVIDERS = Providers()
POOL_SIZE = 4
CONNECT_SECONDS = 5
POOL_WAIT_SECONDS = 5

log = structlog.get_logger("app.jobs")


def create_queue(
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    jobs: Iterable[Job],
    schedule: Iterable[Periodic] = (),
    on_heartbeat: Callable[[], None] = lambda: None,
    *,
    providers: Providers = NO_PROVIDERS,
    tracing: Tracing | None = None,
) -> App:
    """Builds the app; nothing connects before `open_async`."""
    connector = _connector(settings)
    queue = App(connector=connector)
    queue.job_manager = FencedJobs(connector, on_heartbeat)
    announce(jobs)
    work = Work(settings, sessions, **vars(providers))
    tasks = {job.name: _as_task(queue, job, work, tracing) for job in jobs}
    for entry in schedule:
        queue.periodic_registry.register_task(tasks[entry.job.name], entry.cron, "", {})
    return queue


def _connector(settings: Settings) -> PsycopgConnector:
    return PsycopgConnector(
        conninfo=settings.direct_dsn,
        min_size=1,
        max_size=POOL_SIZE,
        timeout=POOL_WAIT_SECONDS,
        kwargs={
            "application_name": "relampago-queue",
            "connect_timeout": CONNECT_SECONDS,
            # A connection whose other end has vanished is noticed in half a minute instead of two hours.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )


def _as_task(queue: App, job: Job, work: Work, tracing: Tracing | None) -> Any:
    async def run(context: JobContext, /, **args: Any) -> None:
        args.pop("timestamp", None)  # a periodic job is told its tick
        row = context.job
        this_run = Run(row.id or 0, row.worker_id or 0, row.attempts)
        structlog.contextvars.bind_contextvars(job=job.name, job_id=row.id, attempt=row.attempts + 1)
        with job_span(tracing, job.name, this_run.id, this_run.attempts + 1):
            await run_job(job, replace(work, run=this_run), args)

    return queue.task(name=job.name, pass_context=True, retry=Backoff(job.retries))(run)


async def run_job(job: Job, work: Work, args: dict[str, Any]) -> object:
    """One run, bounded in time. Raises what the job raises, and TimeoutError."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(job.seconds):
            result = await job.run(work, **args)
    except Exception as error:
        JOB_RUNS.labels(job.name, type(error).__name__).observe(time.monotonic() - begun)
        log.warning("job_failed", seconds=_since(begun), error=type(error).__name__, exc_info=True)
        raise
    except asyncio.CancelledError:
        log.info("job_cut_off", seconds=_since(begun))
        raise
    JOB_RUNS.labels(job.name, "ok").observe(time.monotonic() - begun)
    if result or not job.housekeeping:
        log.info("job_done", seconds=_since(begun), result=result if isinstance(result, int | str) else None)
    return result


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)
