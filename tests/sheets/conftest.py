from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.google_sheets import SheetsClient
from app.domain.sheets.service.engine import SheetSync
from app.jobs.work import Work
from app.server import Relampago
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from sandbox.sheets_grid import SPREADSHEET
from tests.sheets.office import Office
from tests.shop import make_people


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sheets") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
def sheet_settings(settings: Settings, running: Sandbox) -> Settings:
    """With the sandbox's spreadsheet."""
    running.world.reset()
    return msgspec.structs.replace(
        settings,
        google_sheets_base_url=f"{running.url}/sheets",
        google_sheets_spreadsheet_id=SPREADSHEET,
        google_service_account_file=str(running.account_file),
    )


@pytest.fixture
async def office(  # noqa: PLR0917 - fixtures
    app: Relampago,
    client: httpx.AsyncClient,
    db: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    sheet_settings: Settings,
    running: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Office]:
    async with SheetsClient.from_settings(sheet_settings) as sheets:
        sheets.pause_seconds = 0.001
        sync = SheetSync(sessions, sheets)
        monkeypatch.setitem(app.state._state, "sheet_sync", sync)
        people = await make_people(db, sheet_settings)
        yield Office(client, db, running, people, sync, Work(sheet_settings, sessions, sheets=sheets))
