"""The spreadsheet: runs in the background, pushes of changed products, runs that nobody works on any more."""

import datetime as dt
from uuid import UUID

from app.db import clock
from app.domain.catalog.service.products import PUSH
from app.domain.sheets.service.engine import SheetsOff
from app.domain.sheets.service.runs import SyncRunning, queue_run
from app.errors import AppError
from app.jobs.queue import defer, job
from app.jobs.work import Work

SECONDS = 600.0
# So long after a push that had to give way to another run is it tried again.
LATER = dt.timedelta(seconds=15)


@job("sheets:run", seconds=SECONDS, retries=1)
async def run(work: Work, run_id: str) -> str:
    """A run that was asked for. Its record says how it ends; a failure of the provider ends it too."""
    take_over = work.run is not None and work.run.attempts > 0
    try:
        return (await work.sheet_sync.work(UUID(run_id), take_over=take_over)).status
    except AppError as error:
        return error.message


@job(PUSH, seconds=SECONDS)
async def push(work: Work) -> str:
    """Products that changed go to the sheet, however many there are; cells that people changed stay for a pull."""
    sync = work.sheet_sync
    try:
        state = await sync.now("to-sheets", "job")
    except SheetsOff:
        return "not configured"
    except SyncRunning:
        # Which may have read the products before they changed.
        async with work.transaction() as session:
            await defer(session, PUSH, queueing_lock=PUSH, schedule_at=clock.now() + LATER)
        return "later, another run is under way"
    result = state.result
    if state.sync_id and result and not (result.pushed or result.failed):
        await sync.runs.drop(UUID(state.sync_id))
    return f"{result.pushed if result else 0} rows"


@job("sheets:resume", housekeeping=True)
async def resume(work: Work) -> int:
    """Runs whose process was killed are taken up again."""
    silent = await work.sheet_sync.runs.silent()
    async with work.transaction() as session:
        for run_id in silent:
            await queue_run(session, run_id)
    return len(silent)
