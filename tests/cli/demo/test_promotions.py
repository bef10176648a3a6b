"""The demo's promotions, and the text that ends `make up`."""

import json
import re

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo.people_data import PEOPLE
from app.cli.demo.promotion_data import ACTIVE
from app.domain.inventory.service import audit
from tests.cli.demo.conftest import call, load, rows


async def test_the_curl_that_is_shown_holds_a_unit(client: httpx.AsyncClient) -> None:
    await load()
    shown = (await call("show", "--base-url", "http://127.0.0.1:8000/")).output
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
    await load()
    found = await rows(
        db,
        """
        SELECT promo_status(starts_at, ends_at, cancelled_at, now()), ends_at - starts_at = interval '1 day', max_units,
               starts_at BETWEEN now() AND now() + interval '2 minutes'
          FROM flash_promo ORDER BY starts_at
        """,
    )
    assert found == [
        ("finished", True, None, False),
        ("active", True, 20, False),
        ("scheduled", False, None, True),
    ]


async def test_on_another_day_show_makes_other_promotions(db: AsyncSession) -> None:
    await load()
    await db.execute(
        text("UPDATE flash_promo SET starts_at = starts_at - interval '2 days', ends_at = ends_at - interval '2 days'")
    )
    await db.execute(
        text("UPDATE stock_pool SET closes_at = closes_at - interval '2 days' WHERE closes_at IS NOT NULL")
    )
    await db.commit()
    assert "cart/reserve" in (await call("show")).output
    states = "SELECT promo_status(starts_at, ends_at, cancelled_at, now()) FROM flash_promo ORDER BY id"
    assert [state for (state,) in await rows(db, states)] == [*["finished"] * 3, "active", "scheduled"]
    assert list((await audit(db))[1]) == []


async def test_a_shopper_who_has_bought_all_is_shown_the_next_promotion(db: AsyncSession) -> None:
    await load()
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
    assert f"Hold a unit of {ACTIVE[1]} " in (await call("show")).output


async def test_show_without_the_data_says_where_the_api_is(db: AsyncSession) -> None:
    result = await call("show", "--base-url", "http://shop.example")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "API        http://shop.example/api/products/",
        "Docs       http://shop.example/api/docs/  http://shop.example/api/redoc/",
        "Sandbox    http://127.0.0.1:8001/  (pushes and mails as they arrive)",
    ]
