import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.devices.desk import Desk


@pytest.fixture
def desk(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Desk:
    return Desk(client, db, settings)
