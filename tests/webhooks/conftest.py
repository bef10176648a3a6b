from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings
from sandbox.server import Sandbox, open_sandbox
from tests.events.reader import Reader
from tests.webhooks.post_office import PostOffice

announce(JOBS)


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("webhooks") / "service-account.json") as sandbox:
        yield sandbox


@pytest.fixture
async def office(
    client: httpx.AsyncClient,
    db: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    settings: Settings,
    running: Sandbox,
) -> PostOffice:
    running.world.reset()
    running.world.hook_secrets.clear()
    return PostOffice(await Reader.open(client, db, sessions, settings), running)
