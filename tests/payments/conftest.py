from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.mercadopago import MercadoPagoClient
from app.domain.payments.service.desk import PaymentDesk
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.server import Relampago
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from tests.payments.counter import Counter, make_counter
from tests.shop import People, make_people

announce(JOBS)


@pytest.fixture
async def people(db: AsyncSession, settings: Settings) -> People:
    return await make_people(db, settings)


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("payments") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
def paying(settings: Settings, running: Sandbox, app: Relampago) -> Settings:
    """With a MercadoPago: the sandbox, whose notifications reach the application."""
    running.world.reset()
    running.world.notifier.transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    return msgspec.structs.replace(settings, mercadopago_base_url=f"{running.url}/mercadopago")


@pytest.fixture
async def counter(  # noqa: PLR0917 - fixtures
    app: Relampago,
    client: httpx.AsyncClient,
    db: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    paying: Settings,
    running: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Counter]:
    async with MercadoPagoClient.from_settings(paying) as mercadopago:
        monkeypatch.setitem(app.state._state, "payment_desk", PaymentDesk(app.state.sessions, mercadopago, paying))
        yield await make_counter(client, db, paying, sessions, running, mercadopago)
        await running.world.notifier.settle()
