"""A worker of ours that knows one job, which does nothing."""

import asyncio

from app.jobs import worker
from app.jobs.queue import job
from app.jobs.work import Work
from app.settings import load_settings

NAME = "bench:nothing"


@job(NAME)
async def nothing(_work: Work, number: int) -> int:
    return number


if __name__ == "__main__":
    asyncio.run(worker.serve(load_settings(), jobs=(nothing,), schedule=()))
