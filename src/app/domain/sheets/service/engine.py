"""The synchronisation as its callers know it: begin a run, work on it, look at it."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.errors import NotConfigured, ProviderError
from app.clients.google_sheets import SheetsClient
from app.domain.sheets.rules.merging import Direction
from app.domain.sheets.schemas import RunResult, RunState
from app.domain.sheets.service.passing import Pass
from app.domain.sheets.service.runs import RunStore, Superseded, SyncRunning, Tally, new_owner, state_of
from app.domain.sheets.service.table import WrongTable
from app.errors import Conflict, ProviderDown, Unavailable
from app.http.principal import Principal

# So long a caller waits for a run; the provider's own limits are within it.
CALLER_SECONDS = 25.0
log = structlog.get_logger("app.sheets")


class SheetsOff(Unavailable):
    """The link to Google Sheets is not configured."""

    code = "sheets_not_configured"
    key = "error"


class SheetRefused(Conflict):
    """The sheet cannot be synchronised as it is."""

    code = "wrong_sheet"
    key = "error"


class SheetSync:
    """Opens and ends its own transactions, none of them while Google is asked."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], client: SheetsClient) -> None:
        self._sessions = sessions
        self.client = client
        self.runs = RunStore(sessions)

    async def aclose(self) -> None:
        await self.client.aclose()

    async def begin(
        self,
        direction: Direction,
        trigger: str,
        products: Sequence[int] | None = None,
        *,
        force: bool = False,
        queued: bool = False,
        actor: Principal | None = None,
    ) -> UUID:
        """A new run's id; a worker has it to work on when it is `queued`. Raises SheetsOff, SyncRunning."""
        if not self.client.configured:
            raise SheetsOff
        return await self.runs.begin(direction, trigger, products, force=force, queued=queued, actor=actor)

    async def now(
        self,
        direction: Direction,
        trigger: str,
        products: Sequence[int] | None = None,
        *,
        force: bool = False,
        actor: Principal | None = None,
    ) -> RunState:
        """A run from its beginning to its end, within a caller's patience. Raises SheetsOff, SyncRunning,
        SheetRefused, ProviderDown.
        """
        run_id = await self.begin(direction, trigger, products, force=force, actor=actor)
        return await self.work(run_id, seconds=CALLER_SECONDS, actor=actor)

    async def pull(self) -> RunResult:
        """The cells that changed since the last run, for a scheduler. Raises as `now`."""
        return result_of(await self.now("from-sheets", "cron"))

    async def work(
        self, run_id: UUID, *, take_over: bool = False, seconds: float | None = None, actor: Principal | None = None
    ) -> RunState:
        """Work on a run to its end. Raises as `now`; the run's record then says why.

        Writes are logged as the `actor`'s, without one as theirs who began the run.
        """
        owner, tally = new_owner(), Tally()
        run = await self.runs.claim(run_id, owner, take_over=take_over)
        if run is None:
            return await self.state(run_id)
        try:
            async with self.runs.beating(run_id, owner), asyncio.timeout(seconds):
                by = actor or await self.runs.starter(run)
                await Pass(self._sessions, self.client, run, owner, tally, actor=by).work()
        except Superseded as error:
            raise SyncRunning from error
        except (ProviderError, WrongTable, TimeoutError) as error:
            log.warning("sheets_run_failed", run=str(run_id), reason=str(error) or "too slow")
            await self.runs.finish(run_id, owner, tally, error=str(error) or "Google Sheets took too long")
            raise answer_to(error) from error
        except Exception as error:
            await self.runs.finish(run_id, owner, tally, error=f"an error of ours: {type(error).__name__}")
            raise
        await self.runs.finish(run_id, owner, tally)
        return await self.state(run_id)

    async def state(self, run_id: UUID) -> RunState:
        async with self._sessions() as session:
            found = await state_of(session, run_id)
        return found or RunState(str(run_id), "cancelled", None, None, None)

    async def test_connection(self) -> list[str]:
        """The titles of the spreadsheet's tabs. Raises SheetsOff, ProviderDown."""
        try:
            async with asyncio.timeout(CALLER_SECONDS):
                return list(await self.client.tabs())
        except (ProviderError, TimeoutError) as error:
            raise answer_to(error) from error


def result_of(state: RunState) -> RunResult:
    empty: Any = "bidirectional"
    return state.result or RunResult(empty, 0, 0, 0, 0, 0, 0, 0, [], "")


def answer_to(error: Exception) -> Exception:
    """What a caller is told of a failure at the provider."""
    if isinstance(error, NotConfigured):
        return SheetsOff()
    if isinstance(error, WrongTable):
        return SheetRefused(str(error))
    return ProviderDown("Google Sheets does not answer, try again later.", retry_after=30)
