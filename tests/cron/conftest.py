from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.dollar_rates import DollarRateClient
from app.clients.google_sheets import SheetsClient
from app.domain.rates.service import RateUpdater
from app.domain.sheets.service.engine import SheetSync
from app.server import Relampago
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from sandbox.sheets_grid import SPREADSHEET
from tests.shop import People, make_people


@pytest.fixture
async def people(db: AsyncSession, settings: Settings) -> People:
    return await make_people(db, settings)


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("cron") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
async def sandbox(  # noqa: PLR0917 - fixtures
    app: Relampago,
    client: httpx.AsyncClient,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    running: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Sandbox]:
    """The application asks this one."""
    running.world.reset()
    told = msgspec.structs.replace(
        settings,
        dolarapi_base_url=f"{running.url}/dolarapi",
        bluelytics_base_url=f"{running.url}/bluelytics",
        argentinadatos_base_url=f"{running.url}/argentinadatos",
        google_sheets_base_url=f"{running.url}/sheets",
        google_sheets_spreadsheet_id=SPREADSHEET,
        google_service_account_file=str(running.account_file),
    )
    async with DollarRateClient.from_settings(told) as rates, SheetsClient.from_settings(told) as sheets:
        sheets.pause_seconds = 0.001
        monkeypatch.setitem(app.state._state, "rate_updater", RateUpdater(sessions, rates))
        monkeypatch.setitem(app.state._state, "sheet_sync", SheetSync(sessions, sheets))
        yield running
