"""A real worker process for the tests: the real one with jobs that leave marks, wait, or kill it.

Run as `python -m tests.jobs.probe_worker`; `--bare` leaves the schedule out.
"""

import asyncio
import os
import signal
import sys

from sqlalchemy import text

from app.jobs.queue import job
from app.jobs.schedule import JOBS, SCHEDULE
from app.jobs.work import Work
from app.jobs.worker import serve
from app.settings import load_settings


async def _mark(work: Work, label: str) -> None:
    async with work.transaction() as session:
        await session.execute(text("INSERT INTO probe_mark (label) VALUES (:label)"), {"label": label})


@job("probe:mark")
async def mark(work: Work, label: str) -> None:
    await _mark(work, label)


@job("probe:wait")
async def wait(work: Work, label: str, seconds: float) -> None:
    """Says when it begins; its work is done at the end of one transaction, as in every real job."""
    await _mark(work, f"{label} begun")
    await asyncio.sleep(seconds)
    await _mark(work, f"{label} done")


@job("probe:die")
async def die(work: Work) -> None:
    await _mark(work, "died")
    os.kill(os.getpid(), signal.SIGKILL)


@job("probe:fail", retries=1)
async def fail(work: Work) -> None:
    await _mark(work, "failed")
    raise RuntimeError("as it always does")


@job("probe:slow", seconds=0.2, retries=0)
async def slow(work: Work) -> None:
    await asyncio.sleep(600)


PROBES = (mark, wait, die, fail, slow)

if __name__ == "__main__":
    schedule = () if "--bare" in sys.argv else SCHEDULE
    asyncio.run(serve(load_settings(), (*JOBS, *PROBES), schedule))
