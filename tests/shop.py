"""What tests of the shop share: people's headers, and a fingerprint of everything stored."""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.factories import bearer, make_staff, make_user

TABLES = ("category", "product", "product_option", "store", "store_product", "stock_pool", "stock_slot", "stock_ledger")
Headers = dict[str, str]


class People(NamedTuple):
    """Headers of those who may call; `owner_id` is the owner's user id."""

    nobody: Headers
    shopper: Headers
    owner: Headers
    staff: Headers
    owner_id: int
    shopper_id: int


async def make_people(db: AsyncSession, settings: Settings) -> People:
    shopper, owner, staff = await make_user(db), await make_user(db), await make_staff(db)
    return People(
        nobody={},
        shopper=bearer(settings, shopper),
        owner=bearer(settings, owner),
        staff=bearer(settings, staff),
        owner_id=owner.id,
        shopper_id=shopper.id,
    )


async def stored(db: AsyncSession) -> dict[str, str | None]:
    """A digest of every row of the shop's tables: equal before and after means that nothing changed."""
    await db.commit()
    found = {}
    for table in TABLES:
        digest = text(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
        found[table] = (await db.execute(digest)).scalar_one()
    await db.commit()
    return found
