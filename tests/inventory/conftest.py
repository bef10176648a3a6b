from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inventory.service import audit
from tests.inventory.stockroom import Stockroom


@pytest.fixture
async def unchecked_room(db: AsyncSession) -> Stockroom:
    """For tests that put ledgers and units at odds."""
    return Stockroom(db)


@pytest.fixture
async def room(unchecked_room: Stockroom) -> AsyncIterator[Stockroom]:
    """Whatever a test does, the ledgers say where every unit is."""
    yield unchecked_room
    await unchecked_room.db.rollback()
    assert (await audit(unchecked_room.db))[1] == []
