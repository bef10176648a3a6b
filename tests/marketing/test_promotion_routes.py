"""Offers and promotions by quantity."""

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import HOUR, make_bulk, make_offer
from tests.shop import People

OFFERS, BULK = "/api/marketing/offers/", "/api/marketing/bulk-promotions/"
D = Decimal
DATES = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2036-03-31T23:59:59Z"}


async def test_the_life_of_an_offer(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    first, second = await make_product(db), await make_product(db, is_available=False)
    body = {"name": "Oferta Verano", "discount": 25, "products": [second.id, first.id, first.id], **DATES}
    made = await client.post(OFFERS, json=body, headers=people.staff)
    assert made.status_code == 201, made.text
    offer = made.json()
    fields = {"id", "name", "discount", "start_date", "end_date", "products", "created_at", "updated_at", "status"}
    assert set(offer) == fields
    assert (offer["discount"], offer["products"], offer["status"]) == (25, [first.id, second.id], "active")
    assert isinstance(offer["discount"], int)
    path = f"{OFFERS}{offer['id']}/"
    changed = await client.patch(path, json={"discount": "12.5", "products": [first.id]}, headers=people.staff)
    assert (changed.status_code, changed.json()["discount"], changed.json()["products"]) == (200, 12.5, [first.id])
    assert (await client.put(path, json={"name": "x"}, headers=people.staff)).status_code == 400
    assert (await client.put(path, json=body, headers=people.staff)).json()["discount"] == 25
    assert (await client.get(f"{OFFERS}active/", headers=people.staff)).json()[0]["id"] == offer["id"]
    assert (await client.delete(path, headers=people.staff)).status_code == 204
    assert (await client.get(path, headers=people.staff)).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"discount": 101}, "discount"),
        ({"discount": -1}, "discount"),
        ({"end_date": "2025-01-01T00:00:00Z"}, "end_date"),
        ({"end_date": DATES["start_date"]}, "end_date"),
        ({"products": [999_999_999]}, "products"),
        ({"products": "x"}, "products"),
        ({"name": "n" * 201}, "name"),
    ],
)
async def test_what_is_no_offer(
    client: httpx.AsyncClient, db: AsyncSession, people: People, change: dict[str, Any], field: str
) -> None:
    body = {"name": "Oferta", "discount": 25, "products": [], **DATES}
    refused = await client.post(OFFERS, json=body | change, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, [field])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    offer = await make_offer(db, start_date=start, end_date=start + 9000 * HOUR)
    refused = await client.patch(f"{OFFERS}{offer.id}/", json=change, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, [field])


async def test_offers_by_the_clock(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    now = dt.datetime.now(dt.UTC)
    active = await make_offer(db)
    pending = await make_offer(db, start_date=now + HOUR, end_date=now + 2 * HOUR)
    expired = await make_offer(db, start_date=now - 2 * HOUR, end_date=now - HOUR)
    for status, offer in (("active", active), ("pending", pending), ("expired", expired)):
        page = (await client.get(f"{OFFERS}?status={status}", headers=people.staff)).json()
        assert [(row["id"], row["status"]) for row in page["results"]] == [(str(offer.id), status)]
    assert (await client.get(f"{OFFERS}?status=over", headers=people.staff)).status_code == 400
    counted = [(await client.post(f"{OFFERS}check_expired/", headers=people.staff)).json() for _ in range(2)]
    assert [each["processed"] for each in counted] == [1, 0]
    assert (await client.get(OFFERS, headers=people.shopper)).status_code == 403


async def test_the_life_of_a_promotion(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product, category = await make_product(db), await make_category(db)
    body = {"name": "3x2", "promotion_type": "3x2", "products": [product.id], "categories": [category.id], **DATES}
    made = await client.post(BULK, json=body, headers=people.staff)
    assert made.status_code == 201, made.text
    bulk = made.json()
    assert (bulk["buy_quantity"], bulk["pay_quantity"], bulk["priority"], bulk["max_applications"]) == (3, 2, 0, 1)
    assert (bulk["status"], bulk["active"], bulk["product_count"], bulk["category_count"]) == ("active", True, 1, 1)
    path = f"{BULK}{bulk['id']}/"
    assert (await client.get(path)).json() == bulk
    (listed,) = (await client.get(BULK)).json()["results"]
    assert listed == {name: value for name, value in bulk.items() if name not in ("products", "categories")}
    assert (await client.get(f"{BULK}active/")).json() == [listed]
    other = (await client.patch(path, json={"promotion_type": "5x4", "active": False}, headers=people.staff)).json()
    assert (other["buy_quantity"], other["pay_quantity"], other["status"]) == (5, 4, "inactive")
    own = {"promotion_type": "custom", "buy_quantity": 6, "pay_quantity": 4}
    other = (await client.put(path, json=body | own, headers=people.staff)).json()
    assert (other["promotion_type"], other["buy_quantity"], other["pay_quantity"]) == ("custom", 6, 4)
    for query, count in (("?active=true", 0), ("?active=false", 1), ("?type=custom", 1), ("?type=3x2", 0)):
        assert (await client.get(BULK + query)).json()["count"] == count, query
    assert (await client.get(f"{BULK}?type=9x1")).status_code == 400
    assert (await client.get(f"{BULK}active/")).json() == []
    assert (await client.post(BULK, json=body, headers=people.shopper)).status_code == 403
    assert (await client.delete(path, headers=people.staff)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_deleted_product_is_in_none(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    gone, kept = await make_product(db), await make_product(db)
    offer, bulk = await make_offer(db, gone, kept), await make_bulk(db, products=[gone, kept])
    await client.delete(f"/api/products/{gone.id}/", headers=people.staff)
    path = f"{OFFERS}{offer.id}/"
    shown = (await client.get(path, headers=people.staff)).json()
    assert shown["products"] == [kept.id]
    back = await client.patch(path, json={"products": shown["products"]}, headers=people.staff)
    assert (back.status_code, back.json()["products"]) == (200, [kept.id])
    shown = (await client.get(f"{BULK}{bulk.id}/")).json()
    assert (shown["products"], shown["product_count"], shown["category_count"]) == ([kept.id], 1, 0)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"buy_quantity": 4}, ["buy_quantity"]),
        ({"pay_quantity": 1}, ["pay_quantity"]),
        ({"promotion_type": "custom"}, ["buy_quantity", "pay_quantity"]),
        ({"promotion_type": "custom", "buy_quantity": 3}, ["pay_quantity"]),
        ({"promotion_type": "custom", "buy_quantity": 3, "pay_quantity": 3}, ["pay_quantity"]),
        ({"promotion_type": "custom", "buy_quantity": 3, "pay_quantity": 0}, ["pay_quantity"]),
        ({"promotion_type": "6x5"}, ["promotion_type"]),
        ({"max_applications": 0}, ["max_applications"]),
        ({"end_date": "2020-01-01T00:00:00Z"}, ["end_date"]),
        ({"products": [999_999_999]}, ["products"]),
        ({"categories": [999_999_999]}, ["categories"]),
    ],
)
async def test_what_is_no_promotion(
    client: httpx.AsyncClient, people: People, change: dict[str, Any], fields: list[str]
) -> None:
    body = {"name": "3x2", "promotion_type": "3x2", **DATES}
    refused = await client.post(BULK, json=body | change, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, fields)


async def test_check_product(client: httpx.AsyncClient, db: AsyncSession) -> None:
    category = await make_category(db)
    product = await make_product(db, category=category, price=D(2000), discount=D(25))
    low = await make_bulk(db, products=[product], priority=1, name="3x2")
    high = await make_bulk(
        db, categories=[category], priority=9, promotion_type="5x4", buy_quantity=5, pay_quantity=4, name="5x4"
    )
    await make_bulk(db, products=[product], active=False)

    async def check(quantity: Any) -> tuple[int, Any]:
        answer = await client.post(f"{BULK}check_product/", json={"product_id": product.id, "quantity": quantity})
        return answer.status_code, answer.json()

    status, found = await check(3)
    assert (status, found["product_id"], found["product_name"], found["quantity"]) == (200, product.id, product.name, 3)
    assert [(each["promotion"]["id"], each["can_apply"]) for each in found["applicable_promotions"]] == [
        (str(low.id), True),
        (str(high.id), False),
    ]
    assert found["applicable_promotions"][0]["discount_info"] == {
        "discount_amount": 1500.0,
        "free_items": 1,
        "total_before": 4500.0,
        "total_after": 3000.0,
    }
    assert found["applicable_promotions"][1]["discount_info"]["discount_amount"] == 0
    _, found = await check(5)
    assert [each["promotion"]["id"] for each in found["applicable_promotions"]] == [str(high.id), str(low.id)]
    for bad in (0, -1, "x", None):
        status, found = await check(bad)
        assert (status, isinstance(found["error"], str)) == (400, True)
    missing = await client.post(f"{BULK}check_product/", json={"product_id": 999_999_999, "quantity": 1})
    assert (missing.status_code, isinstance(missing.json()["error"], str)) == (404, True)
