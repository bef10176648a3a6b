import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings
from tests.events.reader import Reader

announce(JOBS)


@pytest.fixture
async def reader(
    client: httpx.AsyncClient, db: AsyncSession, sessions: async_sessionmaker[AsyncSession], settings: Settings
) -> Reader:
    return await Reader.open(client, db, sessions, settings)
