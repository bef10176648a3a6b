"""How the database reads lists: one statement each, by an index, whatever the size of the catalogue."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy.dialects import postgresql

from app.db.line import Line
from app.db.prepared import Prepared
from app.domain.catalog.queries import PICTURE_SHOWN
from app.domain.storefront.queries import listing
from app.domain.storefront.queries.narrowing import Shape
from tests.conftest import ROOT, fresh_database

SIZES = {"products": 3000, "categories": 24}
FILL: Path = ROOT / "bench" / "catalogue_dataset.sql"
# Sixty offers of fifty products each, every fourth of them on, and a discount by weekday on a whole branch.
RULES = """
    INSERT INTO offer (name, discount, start_date, end_date)
    SELECT 'Offer ' || n, 5 + n, now() - interval '30 days',
           now() + CASE WHEN n % 4 = 0 THEN interval '1 day' ELSE interval '-1 day' END
      FROM generate_series(0, 59) n;
    INSERT INTO offer_product (offer_id, product_id)
    SELECT o.id, p.id FROM (SELECT id, row_number() OVER (ORDER BY name) - 1 AS n FROM offer) o
      JOIN product p ON p.id % 60 = o.n;
    INSERT INTO scheduled_discount (name, category_id, day_of_week, discount, override, override_since)
    SELECT 'Branch', min(id), 0, 15, 'applied', now() FROM category;
"""


@pytest.fixture(scope="module")
async def shop(worker_name: str) -> AsyncIterator[asyncpg.Connection]:
    """A database with a catalogue of a few thousand products, and what takes something off them."""
    async with fresh_database(f"{worker_name}_plans") as url:
        connection = await asyncpg.connect(url, server_settings={"plan_cache_mode": "force_generic_plan", "jit": "off"})
        await connection.execute(FILL.read_text(encoding="utf-8") % SIZES)
        await connection.execute(RULES)
        await connection.execute("VACUUM ANALYZE")
        # What a planner would choose for a hundred thousand: a table read from one end to the other has its price.
        await connection.execute("SET enable_seqscan = off")
        yield connection
        await connection.close()


def values(**given: Any) -> dict[str, Any]:
    return {"media": "/media/", "zone": "UTC", "offset": 0, "low_stock": 5} | given


async def plan(connection: asyncpg.Connection, prepared: Prepared, **given: Any) -> str:
    rows = await connection.fetch("EXPLAIN " + prepared.sql, *prepared.arguments(values(**given)))
    return "\n".join(row[0] for row in rows)


async def count(connection: asyncpg.Connection, condition: str) -> int:
    found: int = await connection.fetchval(f"SELECT count(*) FROM product WHERE is_available AND {condition}")
    return found


async def test_the_first_page_is_walked_from_the_newest(shop: asyncpg.Connection) -> None:
    prepared = listing.page(Shape(everything=False), 24)
    shown = await plan(shop, prepared)
    assert "Index Scan using ix_product_newest on product" in shown
    assert "product_tally" in shown
    row = await shop.fetchrow(prepared.sql, *prepared.arguments(values()))
    assert row["count"] == await count(shop, "true") == 2940


@pytest.mark.parametrize(("ordering", "scan"), [("created_at", "Index Scan Backward"), ("-created_at", "Index Scan")])
async def test_by_age_the_catalogue_is_walked_too(shop: asyncpg.Connection, ordering: str, scan: str) -> None:
    prepared = listing.page(Shape(everything=False, ordering=ordering), 24)
    shown = await plan(shop, prepared)
    assert f"{scan} using ix_product_newest on product" in shown
    assert "product_tally" in shown
    row = await shop.fetchrow(prepared.sql, *prepared.arguments(values(offset=24)))
    turned = "ASC" if ordering == "created_at" else "DESC"
    asked = f"SELECT id FROM product WHERE is_available ORDER BY created_at {turned}, id {turned} OFFSET 24 LIMIT 24"
    assert [card["id"] for card in json.loads(row["results"])] == [each["id"] for each in await shop.fetch(asked)]
    assert row["count"] == 2940


async def test_a_category_is_walked_by_each_of_its_own(shop: asyncpg.Connection) -> None:
    prepared = listing.page(Shape(everything=False, category=True), 12)
    shown = await plan(shop, prepared, category_name="riego")
    assert "Index Scan using ix_product_category_newest on product" in shown
    row = await shop.fetchrow(prepared.sql, *prepared.arguments(values(category_name="riego")))
    below = "category_id IN (SELECT id FROM category WHERE name LIKE 'Riego%')"
    assert row["count"] == await count(shop, below) > 0


@pytest.mark.parametrize(
    ("shape", "given", "index"),
    [
        ({"search": True}, {"search": "panel floracion"}, "ix_product_search_words"),
        ({"search": True, "category": True}, {"search": "pan", "category_name": "riego"}, "ix_product_search_words"),
        ({"brand": True}, {"brand": "biogrow"}, "ix_product_brand_newest"),
        ({"on_sale": True}, {}, "ix_product_on_sale"),
    ],
)
async def test_filters_are_served_by_an_index(
    shop: asyncpg.Connection, shape: dict[str, bool], given: dict[str, str], index: str
) -> None:
    prepared = listing.page(Shape(everything=False, **shape), 24)
    assert index in await plan(shop, prepared, **given)
    assert (await shop.fetchrow(prepared.sql, *prepared.arguments(values(**given))))["count"] > 0


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        ({}, {}),
        ({"category": True}, {"category_name": "riego"}),
        ({"search": True}, {"search": "panel floracion"}),
        ({"on_sale": True}, {}),
    ],
)
async def test_prices_ask_for_the_offers_of_the_products_shown(
    shop: asyncpg.Connection, shape: dict[str, bool], given: dict[str, str]
) -> None:
    prepared = listing.page(Shape(everything=False, **shape), 24)
    shown = await plan(shop, prepared, **given)
    assert "ix_offer_product_product_id on offer_product" in shown
    assert "Seq Scan on offer" not in shown
    # Discounts by weekday are reckoned once, however many products are shown.
    assert shown.count("CTE schedules") == 1
    row = await shop.fetchrow(prepared.sql, *prepared.arguments(values(**given)))
    assert any(float(each["total_discount"]) > 0 for each in msgspec.json.decode(row["results"]))


async def test_the_vocabulary_is_served_by_an_index(shop: asyncpg.Connection) -> None:
    middle = await shop.fetch("EXPLAIN SELECT 1 FROM search_word WHERE word LIKE '%ustrat%'")
    near = await shop.fetch("EXPLAIN SELECT 1 FROM search_word WHERE word % 'sustrto'")
    for rows in (middle, near):
        assert any("ix_search_word_trigrams" in row[0] for row in rows)


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("", 1),
        ("?page=3", 1),
        ("?page=last", 2),
        ("?category_name=riego", 1),
        ("?search=x", 1),
        ("?stock_filter=in_stock", 1),
        ("?facets=true&search=a&on_sale=true&min_price=1&ordering=-price", 1),
        ("on-sale/", 1),
        ("by-category/?category_name=riego&search=x", 1),
        ("0/related/", 1),
    ],
)
async def test_statements_of_a_list(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, query: str, statements: int
) -> None:
    sent: list[str] = []
    fetch = Line.fetch

    async def counted(self: Line, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        sent.append(statement)
        return await fetch(self, statement, *arguments)

    monkeypatch.setattr(Line, "fetch", counted)
    await client.get(f"/api/products/{query}")
    assert len(sent) == statements


async def test_who_shows_a_picture_is_found_by_its_name(shop: asyncpg.Connection) -> None:
    """Every upload asks, in a job: not by reading all products."""
    await shop.execute("UPDATE product SET image_2 = 'products/drawing-b.png' WHERE id = (SELECT min(id) FROM product)")
    await shop.execute("ANALYZE product")
    statement = str(
        PICTURE_SHOWN.bindparams(key="products/drawing-b.", last="drawing-b").compile(
            dialect=postgresql.dialect(),
            compile_kwargs={"literal_binds": True},  # type: ignore[no-untyped-call]
        )
    )
    shown = "\n".join(row[0] for row in await shop.fetch(f"EXPLAIN {statement}"))
    assert "ix_product_image_name" in shown
    assert "ix_product_image_2_name" in shown
    assert len(await shop.fetch(statement)) == 1
    assert await shop.fetch(statement.replace("drawing-b", "drawing-c")) == []
