"""A category is renamed while its products are written: one waits for the other, and neither in a circle."""

import asyncio

import httpx
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.failures import sqlstate_of
from tests.factories_catalog import make_category, make_product
from tests.shop import People

Sessions = async_sessionmaker[AsyncSession]
LOCK_PRODUCT = text("SELECT FROM product WHERE id = :id FOR NO KEY UPDATE")
LOCK_CATEGORY = text("SELECT FROM category WHERE id = :id FOR KEY SHARE")
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def until_waiting(db: AsyncSession, many: int) -> None:
    async with asyncio.timeout(10):
        while (await db.execute(WAITING)).scalar_one() < many:
            await db.rollback()
            await asyncio.sleep(0.02)
    await db.rollback()


async def test_a_conditional_write_takes_the_category_first(
    client: httpx.AsyncClient, db: AsyncSession, people: People, sessions: Sessions
) -> None:
    """The renaming has the category and is on its way through the products when one of them is written."""
    category = await make_category(db, name="Riego")
    category_id = category.id
    held, written = [(await make_product(db, category=category, name=name)).id for name in ("Gotero", "Pico")]
    body, headers = {"category": category_id, "name": "Aspersor"}, people.staff | {"If-Match": "*"}
    async with sessions() as holder:
        await holder.execute(LOCK_PRODUCT, {"id": held})
        rename = client.patch(f"/api/categories/{category_id}/", json={"name": "Agua"}, headers=people.staff)
        renaming = asyncio.create_task(rename)
        await until_waiting(db, 1)
        writing = asyncio.create_task(client.patch(f"/api/products/{written}/", json=body, headers=headers))
        await until_waiting(db, 2)
        await holder.commit()
    answers = await asyncio.gather(renaming, writing)
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    assert answers[1].json()["category_name"] == "Agua"
    found = (await client.get("/api/products/?search=agua")).json()
    assert {card["id"]: card["name"] for card in found["results"]} == {held: "Gotero", written: "Aspersor"}


async def test_a_circle_is_answered_and_nothing_written(
    client: httpx.AsyncClient, db: AsyncSession, people: People, sessions: Sessions
) -> None:
    """Somebody takes a product before its category: whom the database ends is told to come again."""
    category = await make_category(db, name="Riego")
    category_id = category.id
    product_id = (await make_product(db, category=category)).id
    path, ended = f"/api/categories/{category_id}/", False
    async with sessions() as holder:
        await holder.execute(LOCK_PRODUCT, {"id": product_id})
        renaming = asyncio.create_task(client.patch(path, json={"name": "Agua"}, headers=people.staff))
        await until_waiting(db, 1)
        try:
            await holder.execute(LOCK_CATEGORY, {"id": category_id})
        except DBAPIError as error:  # on a machine so slow that the renaming had looked for a circle before
            ended = sqlstate_of(error) == "40P01"
        await holder.rollback()
        answer = await renaming
    assert (answer.status_code, "detail" in answer.json()) == ((200, False) if ended else (503, True))
    assert (await client.get(path)).json()["name"] == ("Agua" if ended else "Riego")
