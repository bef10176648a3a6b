"""The demo data: complete, the same twice, sound, and never in production."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.cli.demo import loading
from app.cli.demo.catalog import ITEMS, TOP
from app.cli.demo.catalog_data import TREE
from app.cli.demo.people_data import PEOPLE, PLACES
from app.domain.inventory.service import audit
from app.settings import Settings
from tests.cli.demo.conftest import call, load, one, rows

COUNTS = {
    "accounts": 5,
    "devices": 3,
    "categories": 38,
    "products": 80,
    "stores": 12,
    "coupons": 3,
    "orders": 72,
    "promotions": 3,
}


async def test_everything_is_there_and_a_second_load_adds_nothing(db: AsyncSession) -> None:
    first = await load()
    assert {name: first[name] for name in COUNTS} == COUNTS
    assert first["store products"] > 12 * 20
    before = await one(db, "SELECT count(*) FROM stock_ledger")
    assert await load() == first
    assert await one(db, "SELECT count(*) FROM stock_ledger") == before


async def test_the_stock_is_sound_and_everywhere(db: AsyncSession) -> None:
    await load()
    pools, findings = await audit(db)
    assert (pools > 500, list(findings)) == (True, [])
    assert await one(db, "SELECT count(*) FROM product WHERE stock_free(pool_id) < 1") == 0
    assert await one(db, "SELECT count(*) FROM product_option WHERE stock_free(pool_id) < 1") == 0
    assert await one(db, "SELECT count(*) FROM store_product WHERE stock_free(pool_id) < 1") == 0


async def test_segments_come_from_real_orders_and_positions_are_exact(db: AsyncSession) -> None:
    await load()
    found = await rows(
        db,
        f"""
        SELECT u.username, round(ST_Distance(p.location, s.geom)), p.first_paid_at < now() - interval '30 days',
               p.third_last_paid_at > now() - interval '90 days',
               (SELECT count(*) FROM orders o WHERE o.user_id = u.id AND o.paid_at IS NOT NULL)
          FROM users u JOIN profiles p ON p.user_id = u.id JOIN store s ON s.name = '{PLACES[0].name}'
         WHERE p.location IS NOT NULL ORDER BY u.username
        """,
    )
    assert found == [("ana", 400, None, None, 0), ("beto", 1200, True, True, 5), ("carla", 5000, True, True, 7)]


async def test_the_owner_owns_the_first_store_alone(db: AsyncSession) -> None:
    await load()
    owned = "SELECT s.name, u.username FROM store s JOIN users u ON u.id = s.owner_id"
    assert await rows(db, owned) == [(PLACES[0].name, "tienda")]


async def test_orders_add_up(db: AsyncSession) -> None:
    await load()
    wrong = """
        SELECT count(*) FROM orders o
         WHERE o.total <> (SELECT sum(i.price * i.quantity) FROM order_item i WHERE i.order_id = o.id)
            OR o.status <> (SELECT e.status FROM order_event e WHERE e.order_id = o.id ORDER BY e.at DESC LIMIT 1)
    """
    assert await one(db, wrong) == 0
    assert await one(db, "SELECT count(DISTINCT created_at::date) > 30 FROM orders") is True
    assert await one(db, "SELECT min(created_at) > now() - interval '92 days' FROM orders") is True


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.username)
async def test_every_account_can_sign_in(client: httpx.AsyncClient, person: object) -> None:
    await load()
    auth = (person.username, person.password)  # type: ignore[attr-defined]
    answer = await client.get("/api/auth/me/", auth=auth)
    assert (answer.status_code, answer.json()["username"]) == (200, auth[0])


SNAPSHOT = """
    SELECT p.name, p.price::text, p.discount::text, stock_free(p.pool_id)::text FROM product p
    UNION ALL SELECT s.name, d.name, sp.base_price::text, stock_free(sp.pool_id)::text
      FROM store_product sp JOIN store s ON s.id = sp.store_id JOIN product d ON d.id = sp.product_id
    UNION ALL SELECT o.recipient_name, o.total::text, o.created_at::text, o.status FROM orders o
    ORDER BY 1, 2, 3, 4
"""


async def test_reset_forgets_everything_and_makes_the_same_again(db: AsyncSession) -> None:
    counts = await load()
    before = await rows(db, SNAPSHOT)
    await db.execute(text("UPDATE product SET name = 'changed' WHERE id = (SELECT min(id) FROM product)"))
    await db.commit()
    result = await call("reset", "--yes", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["counts"] == counts
    assert await rows(db, SNAPSHOT) == before


async def test_reset_asks_first(db: AsyncSession) -> None:
    await load()
    await db.execute(text("UPDATE users SET first_name = 'kept' WHERE username = 'ana'"))
    await db.commit()
    assert (await call("reset", answer="n\n")).exit_code == 1
    assert await one(db, "SELECT first_name FROM users WHERE username = 'ana'") == "kept"


@pytest.mark.parametrize("command", [["load"], ["reset", "--yes"], ["show"]])
async def test_production_refuses(db: AsyncSession, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    result = await call(*command)
    assert result.exit_code == 1
    assert "APP_ENV is production" in result.output
    assert await one(db, "SELECT count(*) FROM users") == 0


async def test_what_exists_is_left_as_it_is(db: AsyncSession) -> None:
    counts = await load()
    await db.execute(text("UPDATE users SET first_name = 'Anahí' WHERE username = 'ana'"))
    await db.execute(text("DELETE FROM product_option WHERE id = (SELECT min(id) FROM product_option)"))
    await db.commit()
    assert await load() == counts
    assert await one(db, "SELECT first_name FROM users WHERE username = 'ana'") == "Anahí"


async def test_two_loads_at_once_make_one(
    db: AsyncSession, sessions: async_sessionmaker[AsyncSession], settings: Settings
) -> None:
    async def load_beside() -> dict[str, int]:
        async with sessions() as session, session.begin():
            return (await loading.load(session, settings, lambda _step: None)).counts

    first, second = await asyncio.gather(load_beside(), load_beside())
    assert first == second
    assert {name: first[name] for name in COUNTS} == COUNTS
    assert list((await audit(db))[1]) == []


async def test_pictures_are_drawn_small(db: AsyncSession, media: Path) -> None:
    await load()
    names = [name for (name,) in await rows(db, "SELECT image FROM product")]
    assert len(set(names)) == len(ITEMS)
    for name in names:
        path = media / str(name)
        assert path.stat().st_size < 20_000
        with Image.open(path) as picture:
            assert (picture.format, picture.size) == ("WEBP", (400, 400))


def test_the_catalogue_is_a_tree_of_two_levels_with_something_everywhere() -> None:
    assert {item.category for item in ITEMS} == set(TOP)
    assert not set(TREE) & set(TOP)
    assert len({item.name for item in ITEMS}) == len(ITEMS) >= 60
    assert sum(item.currency == "USD" for item in ITEMS) >= 5
    assert sum(bool(item.variants) for item in ITEMS) >= 5
    assert sum(item.discount > 0 for item in ITEMS) >= 10
    assert all(Decimal(item.price) > 0 for item in ITEMS)


async def test_prices_have_something_taken_off(client: httpx.AsyncClient, db: AsyncSession) -> None:
    await load()
    assert await one(db, "SELECT value FROM coupon WHERE code = 'DEMO10' AND type = 'percentage'") == 10
    assert await one(db, "SELECT count(*) FROM bulk_promotion WHERE promotion_type = '3x2'") == 1
    assert await one(db, "SELECT count(*) FROM scheduled_discount WHERE day_of_week = 5") == 1
    assert await one(db, "SELECT count(*) FROM dollar_rate WHERE is_active") == 1
    offered = await one(db, "SELECT count(*) FROM offer_product")
    assert offered >= 3
    page = (await client.get("/api/products/?ordering=-discount&page_size=100")).json()["results"]
    assert sum(item["total_discount"] == 25 and item["discount"] == 0 for item in page) == offered
    assert len({item["id"] for item in page if item["currency"] == "USD"}) >= 5
