"""The real worker with jobs that are poison, and healthy ones beside them: `python -m tests.chaos.probe_worker`."""

import asyncio
import os
import signal

from procrastinate.manager import JobManager
from sqlalchemy import text

from app.jobs import worker
from app.jobs.queue import job
from app.jobs.schedule import JOBS, SCHEDULE
from app.jobs.work import Work
from app.settings import load_settings
from tests.chaos.programs import NUMBERED

HEALTHY_SECONDS = 0.05
GROWTH_BYTES = 128 << 20
_MARK = text("INSERT INTO chaos_mark (label) VALUES (:label)")


async def _mark(work: Work, label: str) -> None:
    async with work.transaction() as session:
        await session.execute(_MARK, {"label": label})


@job("probe:healthy")
async def healthy(work: Work, label: str) -> None:
    """Waits for somebody a little, then writes."""
    await asyncio.sleep(HEALTHY_SECONDS)
    await _mark(work, label)


@job("probe:raise", retries=1)
async def fail(work: Work, label: str) -> None:
    await _mark(work, label)
    raise RuntimeError("as it always does")


@job("probe:hang", seconds=2.0, retries=1)
async def hang(work: Work, label: str) -> None:
    await _mark(work, label)
    await asyncio.sleep(3600)


@job("probe:die")
async def die(work: Work, label: str) -> None:
    await _mark(work, label)
    os.kill(os.getpid(), signal.SIGKILL)


@job("probe:grow")
async def grow(work: Work, label: str) -> None:
    """Takes memory until the system has had enough, which ends such a process in the same way."""
    await _mark(work, label)
    taken = bytearray(GROWTH_BYTES)
    taken[::4096] = b"x" * len(taken[::4096])
    os.kill(os.getpid(), signal.SIGKILL)


def tell_numbers() -> None:
    """Under which number each life of this process is known to the queue, for whoever kills it and looks for its jobs.

    A worker's row says nothing of its process.
    """
    register = JobManager.register_worker

    async def told(manager: JobManager) -> int:
        number = await register(manager)
        print(f"{NUMBERED} {os.getpid()} {number}", flush=True)  # noqa: T201 - the log of the suite
        return number

    JobManager.register_worker = told  # type: ignore[method-assign]


PROBES = (healthy, fail, hang, die, grow)

if __name__ == "__main__":
    # So that suites that run in seconds see soon who is dead; the full ones leave it as it is.
    worker.HEARTBEAT_SECONDS = int(os.environ.get("CHAOS_HEARTBEAT_SECONDS", worker.HEARTBEAT_SECONDS))
    tell_numbers()
    asyncio.run(worker.serve(load_settings(), (*JOBS, *PROBES), SCHEDULE))
