"""The regular tasks, the same for a scheduler outside, the worker and the command line, each run remembered."""

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar, get_args

import msgspec
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.activity.rules import plain
from app.domain.cron.models import CronRun
from app.domain.cron.schemas import Connection, CronStatus, DiscountsApplied, RateUpdated, SheetPulled, Task, TaskState
from app.domain.marketing.service.scheduled import ScheduledDesk
from app.domain.rates.service import RateUpdater
from app.errors import AppError
from app.settings import Settings

Sessions = async_sessionmaker[AsyncSession]
Answer = TypeVar("Answer", RateUpdated, SheetPulled, DiscountsApplied)
SHOWN_ERRORS = 5


class Pull(Protocol):
    """What a pull of the sheet did."""

    created: int
    updated: int
    skipped: int
    failed: int
    errors: list[str]


class Sheet(Protocol):
    """The shop's spreadsheet, as the application fills it in."""

    async def pull(self) -> Pull: ...

    async def test_connection(self) -> list[str]: ...


class CronDesk:
    """Opens and ends its own transactions, none of them while a provider is asked."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def update_dollar_rate(self, updater: RateUpdater) -> RateUpdated:
        """Blue and official from their sources; the answer shows the first of them. Raises ProviderDown."""
        async with self._remembered("update_dollar_rate") as said:
            rates = await updater.refresh_all()
            values = ", ".join(f"{rate.rate_type_display} {rate.value}" for rate in rates)
            return said.keep(RateUpdated(success=True, message=f"Cotización actualizada: {values}", rate=rates[0]))

    async def pull_sheet(self, sheets: Sheet) -> SheetPulled:
        """The cells that changed since the last run. Raises SheetsOff, SyncRunning, SheetRefused, ProviderDown."""
        async with self._remembered("sync_sheets_pull") as said:
            result = await sheets.pull()
            counts = f"{result.created} creados, {result.updated} actualizados, {result.skipped} sin cambios"
            message = "; ".join([counts, *result.errors[:SHOWN_ERRORS]])
            success = not result.failed
            return said.keep(SheetPulled(success, message, result.created, result.updated, result.skipped))

    async def apply_scheduled_discounts(self, settings: Settings) -> DiscountsApplied:
        """Marks the discounts that have started or ended; prices follow the clock without it."""
        async with self._remembered("apply_scheduled_discounts") as said:
            async with self._sessions() as session, session.begin():
                done = await ScheduledDesk(session, settings).apply_due()
            message = f"{done.applied} descuentos aplicados, {done.removed} quitados"
            return said.keep(DiscountsApplied(True, message, done.applied, done.removed, done.affected_products))

    @staticmethod
    async def test_connection(sheets: Sheet) -> Connection:
        """Whether the spreadsheet can be read."""
        try:
            tabs = await sheets.test_connection()
        except AppError as error:
            return Connection(success=False, message=error.message)
        return Connection(success=True, message=f"Conexión correcta; hojas: {', '.join(tabs)}")

    async def status(self) -> CronStatus:
        """Every task with its last run."""
        async with self._sessions() as session:
            rows = {row.name: row for row in (await session.execute(select(CronRun))).scalars()}
        jobs = {name: _shown(rows.get(name)) for name in get_args(Task)}
        healthy = all(state.success is not False for state in jobs.values())
        return CronStatus("ok" if healthy else "degraded", dt.datetime.now(dt.UTC), jobs)

    @asynccontextmanager
    async def _remembered(self, name: Task) -> AsyncIterator["_Said"]:
        """Notes how the task ended, a refusal or failure too, which goes on to the caller."""
        said = _Said()
        try:
            yield said
        except Exception as error:
            message = error.message if isinstance(error, AppError) else f"an error of ours: {type(error).__name__}"
            await self._note(name, success=False, message=message, result=None)
            raise
        await self._note(name, success=said.success, message=said.message, result=said.result)

    async def _note(self, name: Task, *, success: bool, message: str, result: Any) -> None:
        values = {"last_run": func.now(), "success": success, "message": message[:2000], "result": result}
        statement = insert(CronRun).values(name=name, **values)
        async with self._sessions() as session, session.begin():
            await session.execute(statement.on_conflict_do_update(index_elements=[CronRun.name], set_=values))


class _Said:
    """What a task answers, kept for its record."""

    success = True
    message = ""
    result: Any = None

    def keep(self, answer: Answer) -> Answer:
        self.success, self.message = answer.success, answer.message
        self.result = {
            name: value for name, value in plain(msgspec.structs.asdict(answer)).items() if name not in _SAID_ALREADY
        }
        return answer


_SAID_ALREADY = {"success", "message"}


def _shown(row: CronRun | None) -> TaskState:
    if row is None:
        return TaskState(None, None, "", None)
    return TaskState(row.last_run, row.success, row.message, row.result)
