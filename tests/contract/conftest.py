from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.google_sheets import SheetsClient
from app.clients.mercadopago import MercadoPagoClient
from app.domain.payments.service.desk import PaymentDesk
from app.domain.sheets.service.engine import SheetSync
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.server import Relampago
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from sandbox.sheets_grid import SPREADSHEET
from tests.contract.objects import World
from tests.factories import make_staff, make_user
from tests.payments.counter import Counter
from tests.promos.market import HERE

announce(JOBS)


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("contract") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
async def world(  # noqa: PLR0917 - fixtures
    app: Relampago,
    client: httpx.AsyncClient,
    db: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    settings: Settings,
    running: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[World]:
    """With providers that answer."""
    running.world.reset()
    running.world.notifier.transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    wired = msgspec.structs.replace(
        settings,
        mercadopago_base_url=f"{running.url}/mercadopago",
        google_sheets_base_url=f"{running.url}/sheets",
        google_sheets_spreadsheet_id=SPREADSHEET,
        google_service_account_file=str(running.account_file),
    )
    async with MercadoPagoClient.from_settings(wired) as payments, SheetsClient.from_settings(wired) as sheets:
        monkeypatch.setitem(app.state._state, "payment_desk", PaymentDesk(app.state.sessions, payments, wired))
        monkeypatch.setitem(app.state._state, "sheet_sync", SheetSync(sessions, sheets))
        owner, another = await make_user(db, location=HERE), await make_user(db, location=HERE)
        staff = await make_staff(db, location=HERE)
        till = Counter(client, db, wired, sessions, running, payments, owner, staff)
        yield World(till, owner, another, staff)
        await running.world.notifier.settle()
