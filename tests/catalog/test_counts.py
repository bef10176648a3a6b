"""How many products there are, kept by writers who do not wait for each other; words and marks beside it."""

import asyncio
import random

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.catalog.service.upkeep import CatalogueUpkeep
from tests.factories_catalog import make_category, make_product
from tests.shop import People

TALLIES = text(
    "SELECT category_id, is_available, sum(products) FROM product_tally GROUP BY 1, 2 HAVING sum(products) <> 0"
)
TRUTH = text("SELECT category_id, is_available, count(*) FROM product WHERE deleted_at IS NULL GROUP BY 1, 2")


async def prove(db: AsyncSession) -> None:
    await db.rollback()
    counted = {tuple(row) for row in await db.execute(TALLIES)}
    assert counted == {tuple(row) for row in await db.execute(TRUTH)}
    await db.rollback()


async def test_counts_follow_every_write(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    one = await make_category(db)
    two = (await make_category(db)).id
    products = [await make_product(db, category=one) for _ in range(5)]
    ids = [product.id for product in products]
    await prove(db)
    await client.patch(f"/api/products/{ids[0]}/", json={"is_available": False}, headers=people.staff)
    await client.patch(f"/api/products/{ids[1]}/", json={"category": two}, headers=people.staff)
    await client.delete(f"/api/products/{ids[2]}/", headers=people.staff)
    await prove(db)
    await db.execute(text("UPDATE product SET category_id = :id"), {"id": two})
    await db.execute(text("DELETE FROM product WHERE id = :id"), {"id": ids[3]})
    await db.commit()
    await prove(db)
    assert (await client.get("/api/products/")).json()["count"] == 2
    assert (await client.get("/api/products/", headers=people.staff)).json()["count"] == 3


async def test_folding_changes_no_count(db: AsyncSession) -> None:
    category = await make_category(db)
    for _ in range(5):
        await make_product(db, category=category)
    await db.execute(text("UPDATE product SET is_available = false"))
    await db.commit()
    upkeep = CatalogueUpkeep(db)
    assert await upkeep.fold_counts() > 0
    await db.commit()
    await prove(db)
    assert (await db.execute(text("SELECT count(*) FROM product_tally"))).scalar_one() == 1
    assert await upkeep.fold_counts() == 0


async def test_writers_at_once_lose_no_count(
    client: httpx.AsyncClient, db: AsyncSession, people: People, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """Products change in any order beside renamed categories and the folding; nobody waits in a circle."""
    dice = random.Random(7)
    categories = [(await make_category(db, name=f"Cat {n}")).id for n in range(3)]
    products = [(await make_product(db)).id for _ in range(8)]

    async def write(n: int) -> int:
        path = f"/api/products/{dice.choice(products)}/"
        body = dice.choice(
            [{"category": dice.choice(categories)}, {"is_available": n % 2 == 0}, {"name": f"Nombre {n}"}]
        )
        return (await client.patch(path, json=body, headers=people.staff)).status_code

    async def rename(n: int) -> int:
        path = f"/api/categories/{dice.choice(categories)}/"
        return (await client.patch(path, json={"name": f"Cat {dice.random()} {n}"}, headers=people.staff)).status_code

    async def fold(_n: int) -> int:
        async with sessions() as session, session.begin():
            await CatalogueUpkeep(session).fold_counts()
        return 200

    work = [dice.choice([write, write, rename, fold])(n) for n in range(60)]
    assert set(await asyncio.gather(*work)) == {200}
    await prove(db)


async def test_several_products_in_one_transaction_wait_for_nobody(
    db: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """Two writers of many products leave their marks at their ends, so that neither holds up the other before."""
    first, second = await make_product(db), await make_product(db)
    a, b = first.id, second.id
    rename = text("UPDATE product SET name = name || 'x' WHERE id = :id")
    async with sessions() as one, sessions() as two:
        await one.execute(rename, {"id": a})
        async with asyncio.timeout(5):
            await two.execute(rename, {"id": b})
            await two.commit()
        await one.commit()
    await prove(db)
