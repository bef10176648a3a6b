"""The worker process: runs jobs until SIGTERM, through restarts of the database.

Procrastinate's worker returns, without an error, when it has lost its connection. So it lives in a loop: each life has
its own connections, and a life that ends before a stop was asked for is followed by another.
"""

import asyncio
import faulthandler
import logging
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import msgspec
import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import registry
from app.db import clock
from app.db.engine import create_engine, session_maker
from app.jobs.events import relay
from app.jobs.figures import exposed
from app.jobs.health import Sign
from app.jobs.queue import Job
from app.jobs.runner import create_queue
from app.jobs.schedule import JOBS, SCHEDULE, Periodic
from app.jobs.service import HEARTBEAT_SECONDS, STALLED_SECONDS
from app.jobs.work import Providers, open_providers
from app.logs import configure_logs
from app.settings import Settings
from app.tracing import end_tracing, open_tracing

# A job that is scheduled, such as a promotion's start, is fetched by looking: so often, to be early enough.
POLL_SECONDS = 0.25
# With what closing takes after it, a worker is gone within ten seconds.
DRAIN_SECONDS = 7.0
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 2.0
STUCK_SECONDS = 60
CLOCK_SECONDS = 30.0

log = structlog.get_logger("app.jobs")


async def serve(settings: Settings, jobs: Iterable[Job] = JOBS, schedule: Iterable[Periodic] = SCHEDULE) -> None:
    """Work until SIGTERM or SIGINT. Running jobs then have DRAIN_SECONDS to finish, else they go back to the queue."""
    configure_logs(settings.log_level)
    registry.load()
    # Its own lines tell each job four times; ours tell it once.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    worker = Worker(settings, tuple(jobs), tuple(schedule))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    with exposed(settings):
        await worker.run()


class Worker:
    """One process that runs jobs, life after life."""

    def __init__(self, settings: Settings, jobs: Iterable[Job], schedule: Iterable[Periodic]) -> None:
        self._settings = msgspec.structs.replace(settings, db_pool_size=settings.worker_concurrency)
        self._jobs, self._schedule = jobs, schedule
        self._stopping = asyncio.Event()
        self._sign = Sign(settings)
        self._pause = FIRST_PAUSE_SECONDS
        self._tracing = open_tracing(settings)

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`."""
        log.info("worker_started", concurrency=self._settings.worker_concurrency)
        async with _watchdog(), open_providers(self._settings, self._stopping) as providers:
            while not self._stopping.is_set():
                await self._live(providers)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._sign.remove()
        await end_tracing(self._tracing)
        log.info("worker_stopped")

    async def _live(self, providers: Providers) -> None:
        """One life: from a connection to a stop, or to the loss of the database."""
        engine = create_engine(self._settings, name="relampago-worker")
        sessions = session_maker(engine)
        queue = create_queue(
            self._settings,
            sessions,
            self._jobs,
            self._schedule,
            self._on_heartbeat,
            providers=providers,
            tracing=self._tracing,
        )
        life = asyncio.create_task(self._work(engine, queue))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({life, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not life.done():
                log.info("worker_draining")
                life.cancel()  # Procrastinate takes this as a request to finish what runs, and stop
            await life
            log.warning("queue_lost")
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise
        except (ConnectorException, psycopg.Error, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("queue_lost", error=type(error).__name__, reason=str(error.__cause__ or error)[:200])
        finally:
            stopped.cancel()
            await engine.dispose()

    async def _work(self, engine: AsyncEngine, queue: App) -> None:
        # A look of our own first: the pool's pauses between attempts to connect grow far beyond ours.
        await clock.ask(engine)
        beside = (asyncio.create_task(relay(session_maker(engine))), asyncio.create_task(_keep_the_time(engine)))
        try:
            await queue.open_async()
            await queue.run_worker_async(
                concurrency=self._settings.worker_concurrency,
                fetch_job_polling_interval=POLL_SECONDS,
                shutdown_graceful_timeout=DRAIN_SECONDS,
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
            )
        finally:
            for each in beside:
                each.cancel()
            await asyncio.wait(beside)
            await queue.close_async()

    def _on_heartbeat(self) -> None:
        self._pause = FIRST_PAUSE_SECONDS
        self._sign.touch()


async def _keep_the_time(engine: AsyncEngine) -> None:
    """The monotonic clock stands still while a machine sleeps, and goes a little wrong in a life of months."""
    while True:
        await asyncio.sleep(CLOCK_SECONDS)
        with suppress(SQLAlchemyError, OSError):
            await clock.ask(engine)


@asynccontextmanager
async def _watchdog() -> AsyncIterator[None]:
    """Ends the process, with a look at every stack, when a job has blocked the event loop for a minute."""

    async def feed() -> None:
        while True:
            faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
            await asyncio.sleep(HEARTBEAT_SECONDS)

    feeder = asyncio.create_task(feed())
    try:
        yield
    finally:
        feeder.cancel()
        faulthandler.cancel_dump_traceback_later()
