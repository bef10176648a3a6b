import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.shop import People, make_people


@pytest.fixture
async def people(db: AsyncSession, settings: Settings) -> People:
    return await make_people(db, settings)
