from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.server import Relampago
from app.settings import Settings
from tests.shop import People, make_people


@pytest.fixture
async def people(db: AsyncSession, settings: Settings) -> People:
    return await make_people(db, settings)


@pytest.fixture(autouse=True)
async def _open_again(app: Relampago, db: AsyncSession) -> AsyncIterator[None]:
    """The process remembers whether the shop is closed; the next test finds it open."""
    yield
    await db.rollback()
    await db.execute(text("DELETE FROM site_config"))
    await db.commit()
    await app.state.maintenance.watch.look()
