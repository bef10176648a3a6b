"""The spreadsheet: runs in the background, pushes of changed products, runs that nobody works on any more."""

from uuid import UUID

from app.clients.google_sheets import SheetsClient
from app.domain.sheets.service.engine import SheetsOff, SheetSync
from app.errors import AppError
from app.jobs.queue import defer, job
from app.jobs.work import Work

SECONDS = 600.0


@job("sheets:run", seconds=SECONDS, retries=1)
async def run(work: Work, run_id: str) -> str:
    """A run that was asked for. Its record says how it ends; a failure of the provider ends it too."""
    take_over = work.run is not None and work.run.attempts > 0
    async with SheetsClient.from_settings(work.settings) as client:
        sync = SheetSync(work.sessions, client)
        try:
            return (await sync.work(UUID(run_id), take_over=take_over)).status
        except AppError as error:
            return error.message


@job("sheets:push", seconds=SECONDS)
async def push(work: Work) -> str:
    """Products that changed go to the sheet, however many there are; cells that people changed stay for a pull."""
    async with SheetsClient.from_settings(work.settings) as client:
        sync = SheetSync(work.sessions, client)
        try:
            state = await sync.now("to-sheets", "job")
        except SheetsOff:
            return "not configured"
        result = state.result
        if state.sync_id and result and not (result.pushed or result.failed):
            await sync.runs.drop(UUID(state.sync_id))
        return f"{result.pushed if result else 0} rows"


@job("sheets:resume", housekeeping=True)
async def resume(work: Work) -> int:
    """Runs whose process was killed are taken up again."""
    async with SheetsClient.from_settings(work.settings) as client:
        silent = await SheetSync(work.sessions, client).runs.silent()
    async with work.transaction() as session:
        for run_id in silent:
            await defer(session, "sheets:run", queueing_lock=f"sheets:run:{run_id}", run_id=str(run_id))
    return len(silent)
