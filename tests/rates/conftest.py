from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.dollar_rates import DollarRateClient
from app.domain.rates.service import RateUpdater
from app.server import Relampago
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from tests.shop import People, make_people


@pytest.fixture
async def people(db: AsyncSession, settings: Settings) -> People:
    return await make_people(db, settings)


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("rates") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
def rate_settings(settings: Settings, running: Sandbox) -> Settings:
    """With the sandbox's sources."""
    running.world.reset()
    return msgspec.structs.replace(
        settings,
        dolarapi_base_url=f"{running.url}/dolarapi",
        bluelytics_base_url=f"{running.url}/bluelytics",
        argentinadatos_base_url=f"{running.url}/argentinadatos",
    )


@pytest.fixture
async def rates_client(rate_settings: Settings) -> AsyncIterator[DollarRateClient]:
    async with DollarRateClient.from_settings(rate_settings) as client:
        yield client


@pytest.fixture
def sandbox(
    app: Relampago,
    rates_client: DollarRateClient,
    sessions: async_sessionmaker[AsyncSession],
    running: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Sandbox:
    """The application asks this one."""
    monkeypatch.setitem(app.state._state, "rate_updater", RateUpdater(sessions, rates_client))
    return running
