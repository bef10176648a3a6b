"""Orders for tests."""

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.orders.counter import Counter


@pytest.fixture
def counter(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Counter:
    return Counter(client, db, settings)
