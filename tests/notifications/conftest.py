from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.notifications.service.sending import open_sender
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.server import Relampago
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from tests.notifications.office import ALWAYS, Office

announce(JOBS)


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("pushes") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
def push_settings(settings: Settings, running: Sandbox) -> Settings:
    """With a push service: the sandbox."""
    running.world.reset()
    return msgspec.structs.replace(
        settings, fcm_base_url=f"{running.url}/fcm", google_service_account_file=str(running.account_file)
    )


@pytest.fixture
async def closed_office(  # noqa: PLR0917 - fixtures
    app: Relampago,
    client: httpx.AsyncClient,
    db: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    push_settings: Settings,
    running: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Office]:
    """With the hours as they are unless somebody writes them: from 08:00 to 22:00."""
    async with open_sender(push_settings) as sender:
        monkeypatch.setitem(app.state._state, "push_sender", sender)
        yield Office(client, db, push_settings, sessions, running, sender)


@pytest.fixture
async def office(closed_office: Office) -> Office:
    """Pushes may be shown at any hour."""
    await closed_office.hours(*ALWAYS)
    return closed_office
