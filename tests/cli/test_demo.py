"""The demo data: complete, the same twice, sound, and never in production."""

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo.catalog import ITEMS, TOP
from app.cli.demo.catalog_data import TREE
from app.cli.demo.commands import demo
from app.cli.demo.people_data import PEOPLE, PLACES
from app.cli.demo.promotion_data import ACTIVE
from app.domain.inventory.service import audit
from app.settings import Settings

COUNTS = {"accounts": 5, "categories": 38, "products": 80, "stores": 12, "orders": 72, "promotions": 3}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: pictures that exist are not drawn again."""
    return tmp_path_factory.mktemp("demo") / "media"


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, media: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("MEDIA_ROOT", str(media))
    monkeypatch.chdir(tmp_path)


async def _call(*arguments: str, answer: str | None = None) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, demo, arguments, answer)


async def _load() -> dict[str, int]:
    result = await _call("load", "--json")
    assert result.exit_code == 0, result.output
    counts: dict[str, int] = json.loads(result.output)["counts"]
    return counts


async def _rows(db: AsyncSession, statement: str) -> list[tuple[object, ...]]:
    rows = [tuple(row) for row in await db.execute(text(statement))]
    await db.rollback()
    return rows


async def _one(db: AsyncSession, statement: str) -> object:
    ((value,),) = await _rows(db, statement)
    return value


async def test_everything_is_there_and_a_second_load_adds_nothing(db: AsyncSession) -> None:
    first = await _load()
    assert {name: first[name] for name in COUNTS} == COUNTS
    assert first["store products"] > 12 * 20
    before = await _one(db, "SELECT count(*) FROM stock_ledger")
    assert await _load() == first
    assert await _one(db, "SELECT count(*) FROM stock_ledger") == before


async def test_the_stock_is_sound_and_everywhere(db: AsyncSession) -> None:
    await _load()
    pools, findings = await audit(db)
    assert (pools > 500, list(findings)) == (True, [])
    assert await _one(db, "SELECT count(*) FROM product WHERE stock_free(pool_id) < 1") == 0
    assert await _one(db, "SELECT count(*) FROM product_option WHERE stock_free(pool_id) < 1") == 0
    assert await _one(db, "SELECT count(*) FROM store_product WHERE stock_free(pool_id) < 1") == 0


async def test_segments_come_from_real_orders_and_positions_are_exact(db: AsyncSession) -> None:
    await _load()
    rows = await _rows(
        db,
        f"""
        SELECT u.username, round(ST_Distance(p.location, s.geom)), p.first_paid_at < now() - interval '30 days',
               p.third_last_paid_at > now() - interval '90 days',
               (SELECT count(*) FROM orders o WHERE o.user_id = u.id AND o.paid_at IS NOT NULL)
          FROM users u JOIN profiles p ON p.user_id = u.id JOIN store s ON s.name = '{PLACES[0].name}'
         WHERE p.location IS NOT NULL ORDER BY u.username
        """,
    )
    assert rows == [("ana", 400, None, None, 0), ("beto", 1200, True, True, 5), ("carla", 5000, True, True, 7)]


async def test_the_owner_owns_the_first_store_alone(db: AsyncSession) -> None:
    await _load()
    owned = "SELECT s.name, u.username FROM store s JOIN users u ON u.id = s.owner_id"
    assert await _rows(db, owned) == [(PLACES[0].name, "tienda")]


async def test_orders_add_up(db: AsyncSession) -> None:
    await _load()
    wrong = """
        SELECT count(*) FROM orders o
         WHERE o.total <> (SELECT sum(i.price * i.quantity) FROM order_item i WHERE i.order_id = o.id)
            OR o.status <> (SELECT e.status FROM order_event e WHERE e.order_id = o.id ORDER BY e.at DESC LIMIT 1)
    """
    assert await _one(db, wrong) == 0
    assert await _one(db, "SELECT count(DISTINCT created_at::date) > 30 FROM orders") is True
    assert await _one(db, "SELECT min(created_at) > now() - interval '92 days' FROM orders") is True


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.username)
async def test_every_account_can_sign_in(client: httpx.AsyncClient, person: object) -> None:
    await _load()
    auth = (person.username, person.password)  # type: ignore[attr-defined]
    answer = await client.get("/api/auth/me/", auth=auth)
    assert (answer.status_code, answer.json()["username"]) == (200, auth[0])


async def test_the_curl_that_is_shown_holds_a_unit(client: httpx.AsyncClient) -> None:
    await _load()
    shown = (await _call("show", "--base-url", "http://127.0.0.1:8000/")).output
    command = re.search(
        r"curl -s -X POST (\S+)/cart/reserve -u (\w+):(\S+) -H 'Content-Type: application/json' -d '(.*)'", shown
    )
    assert command is not None, shown
    assert command[1] == "http://127.0.0.1:8000"
    answer = await client.post("/cart/reserve", auth=(command[2], command[3]), json=json.loads(command[4]))
    assert answer.status_code == 201
    assert (answer.json()["promo"], answer.json()["status"]) == (json.loads(command[4])["promo_id"], "held")
    for person in PEOPLE:
        assert f"{person.username:<8} {person.password}" in shown


async def test_promotions_are_on_soon_and_over(db: AsyncSession) -> None:
    await _load()
    rows = await _rows(
        db,
        """
        SELECT promo_status(starts_at, ends_at, cancelled_at, now()), ends_at - starts_at = interval '1 day', max_units,
               starts_at BETWEEN now() AND now() + interval '2 minutes'
          FROM flash_promo ORDER BY starts_at
        """,
    )
    assert rows == [
        ("finished", True, None, False),
        ("active", True, 20, False),
        ("scheduled", False, None, True),
    ]


async def test_on_another_day_show_makes_other_promotions(db: AsyncSession) -> None:
    await _load()
    await db.execute(
        text("UPDATE flash_promo SET starts_at = starts_at - interval '2 days', ends_at = ends_at - interval '2 days'")
    )
    await db.execute(
        text("UPDATE stock_pool SET closes_at = closes_at - interval '2 days' WHERE closes_at IS NOT NULL")
    )
    await db.commit()
    assert "cart/reserve" in (await _call("show")).output
    states = "SELECT promo_status(starts_at, ends_at, cancelled_at, now()) FROM flash_promo ORDER BY id"
    assert [state for (state,) in await _rows(db, states)] == [*["finished"] * 3, "active", "scheduled"]
    assert list((await audit(db))[1]) == []


async def test_a_shopper_who_has_bought_all_is_shown_the_next_promotion(db: AsyncSession) -> None:
    await _load()
    await db.execute(text("UPDATE flash_promo SET per_user_limit = 1 WHERE max_units IS NOT NULL"))
    await db.execute(
        text("""
            INSERT INTO reservation_finished (id, pool_id, promo_id, store_product_id, user_id, token, quantity,
                                              unit_price, expires_at, status, order_id)
            SELECT 1, p.pool_id, p.id, p.store_product_id, u.id, gen_random_uuid(), 1, 1, now(), 'confirmed', 1
              FROM flash_promo p, users u WHERE p.max_units IS NOT NULL AND u.username = 'ana'
        """)
    )
    await db.commit()
    assert f"Hold a unit of {ACTIVE[1]} " in (await _call("show")).output


async def test_show_without_the_data_says_where_the_api_is(db: AsyncSession) -> None:
    result = await _call("show", "--base-url", "http://shop.example")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "API        http://shop.example/api/products/",
        "Docs       http://shop.example/api/docs/  http://shop.example/api/redoc/",
    ]


SNAPSHOT = """
    SELECT p.name, p.price::text, p.discount::text, stock_free(p.pool_id)::text FROM product p
    UNION ALL SELECT s.name, d.name, sp.base_price::text, stock_free(sp.pool_id)::text
      FROM store_product sp JOIN store s ON s.id = sp.store_id JOIN product d ON d.id = sp.product_id
    UNION ALL SELECT o.recipient_name, o.total::text, o.created_at::text, o.status FROM orders o
    ORDER BY 1, 2, 3, 4
"""


async def test_reset_forgets_everything_and_makes_the_same_again(db: AsyncSession) -> None:
    counts = await _load()
    before = await _rows(db, SNAPSHOT)
    await db.execute(text("UPDATE product SET name = 'changed' WHERE id = (SELECT min(id) FROM product)"))
    await db.commit()
    result = await _call("reset", "--yes", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["counts"] == counts
    assert await _rows(db, SNAPSHOT) == before


async def test_reset_asks_first(db: AsyncSession) -> None:
    await _load()
    await db.execute(text("UPDATE users SET first_name = 'kept' WHERE username = 'ana'"))
    await db.commit()
    assert (await _call("reset", answer="n\n")).exit_code == 1
    assert await _one(db, "SELECT first_name FROM users WHERE username = 'ana'") == "kept"


@pytest.mark.parametrize("command", [["load"], ["reset", "--yes"], ["show"]])
async def test_production_refuses(db: AsyncSession, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    result = await _call(*command)
    assert result.exit_code == 1
    assert "APP_ENV is production" in result.output
    assert await _one(db, "SELECT count(*) FROM users") == 0


async def test_what_exists_is_left_as_it_is(db: AsyncSession) -> None:
    counts = await _load()
    await db.execute(text("UPDATE users SET first_name = 'Anahí' WHERE username = 'ana'"))
    await db.execute(text("DELETE FROM product_option WHERE id = (SELECT min(id) FROM product_option)"))
    await db.commit()
    assert await _load() == counts
    assert await _one(db, "SELECT first_name FROM users WHERE username = 'ana'") == "Anahí"


async def test_two_loads_at_once_make_one(db: AsyncSession) -> None:
    first, second = await asyncio.gather(_load(), _load())
    assert first == second
    assert {name: first[name] for name in COUNTS} == COUNTS


async def test_pictures_are_drawn_small(db: AsyncSession, media: Path) -> None:
    await _load()
    names = [name for (name,) in await _rows(db, "SELECT image FROM product")]
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
