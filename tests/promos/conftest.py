from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.promos.service.audit import AuditService
from app.settings import Settings
from tests.promos.market import Market


@pytest.fixture
async def unchecked_market(client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> Market:
    """For tests that put stock and holds at odds."""
    return Market(client, db, settings)


@pytest.fixture
async def market(unchecked_market: Market) -> AsyncIterator[Market]:
    """Whatever a test does, stock, holds and orders agree after it."""
    yield unchecked_market
    await unchecked_market.db.rollback()
    report = await AuditService(unchecked_market.db).report()
    assert report.findings == []
