"""What other shops were reported to get wrong about prices, through the API."""

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import make_coupon, make_offer, make_scheduled
from tests.shop import People

D = Decimal
BUYER = {"recipient_name": "Ana", "customer_email": "ana@example.com", "delivery_type": "pickup"}


async def order(client: httpx.AsyncClient, people: People, *lines: dict[str, Any], **fields: Any) -> httpx.Response:
    body = BUYER | {"products_data": list(lines)} | fields
    return await client.post("/api/orders/", json=body, headers=people.shopper)


async def quote(client: httpx.AsyncClient, people: People, product: Product, at: str) -> str:
    body = {"products": [{"product_id": product.id, "quantity": 1}]}
    answer = await client.post("/api/cart/quote/", params={"at": at}, json=body, headers=people.staff)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["total"])


@pytest.mark.parametrize("worth", [("fixed", "7000", "0.00"), ("percentage", "50", "3000.00")])
async def test_p05_nothing_falls_below_zero(
    client: httpx.AsyncClient, db: AsyncSession, people: People, worth: tuple[str, str, str]
) -> None:
    kind, value, total = worth
    product = await make_product(db, price=D(6000))
    await make_coupon(db, code="C", type=kind, value=D(value))
    made = (await order(client, people, {"product_id": product.id, "quantity": 1}, coupon_code="c")).json()
    assert (made["total"], D(made["discount"]) + D(made["total"])) == (total, D(6000))
    assert made["status"] == ("paid" if total == "0.00" else "pending")


@pytest.mark.parametrize(("percent", "total"), [("35", "65.00"), ("100", "0.00")])
async def test_p07_the_lines_shares_are_the_orders_discount(
    client: httpx.AsyncClient, db: AsyncSession, people: People, percent: str, total: str
) -> None:
    products = [await make_product(db, price=D(price)) for price in ("33.33", "33.33", "33.34")]
    await make_coupon(db, code="C", value=D(percent))
    lines = [{"product_id": product.id, "quantity": 1} for product in products]
    answer = (await client.post("/api/cart/quote/", json={"products": lines, "coupon_code": "C"})).json()
    assert sum(D(line["coupon_share"]) for line in answer["lines"]) == D(answer["discount"])
    assert sum(D(line["final"]) for line in answer["lines"]) == D(answer["total"]) == D(total)
    made = (await order(client, people, *lines, coupon_code="C")).json()
    assert (made["discount"], made["total"]) == (answer["discount"], total)


async def test_p10_p11_by_the_shops_clock_with_no_job(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    category = await make_category(db)
    product = await make_product(db, category=category, price=D(1000))
    plan = await make_scheduled(db, category, discount=D(15), day_of_week=5)
    for at, total in (
        ("2026-12-05T02:59:59Z", "1000.00"),
        ("2026-12-05T03:00:00Z", "850.00"),
        ("2026-12-06T02:59:59Z", "850.00"),
        ("2026-12-06T03:00:00Z", "1000.00"),
        ("2026-12-05T00:00:00-03:00", "850.00"),
    ):
        assert await quote(client, people, product, at) == total, at
    path = f"/api/marketing/scheduled-discounts/{plan.id}/"
    night = {"start_time": "22:00:00", "end_time": "02:00:00"}
    assert (await client.patch(path, json=night, headers=people.staff)).status_code == 200
    for at, total in (
        ("2026-12-06T00:59:59Z", "1000.00"),
        ("2026-12-06T01:00:00Z", "850.00"),
        ("2026-12-06T04:59:59Z", "850.00"),
        ("2026-12-06T05:00:00Z", "1000.00"),
    ):
        assert await quote(client, people, product, at) == total, at
    morning = {"start_time": "09:00:00", "end_time": "12:00:00"}
    assert (await client.patch(path, json=morning, headers=people.staff)).status_code == 200
    for at, total in (
        ("2026-12-05T11:59:59Z", "1000.00"),
        ("2026-12-05T12:00:00Z", "850.00"),
        ("2026-12-05T14:59:59Z", "850.00"),
        ("2026-12-05T15:00:00Z", "1000.00"),
        ("2026-12-06T13:00:00Z", "1000.00"),
    ):
        assert await quote(client, people, product, at) == total, at


async def test_another_instant_is_for_staff(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    body = {"products": [{"product_id": product.id, "quantity": 1}]}
    for headers, status in ((people.nobody, 401), (people.shopper, 403), (people.staff, 200)):
        answer = await client.post("/api/cart/quote/?at=2026-12-24T20:00:00Z", json=body, headers=headers)
        assert answer.status_code == status
    answer = await client.post("/api/cart/quote/?at=soon", json=body, headers=people.staff)
    assert (answer.status_code, list(answer.json())) == (400, ["at"])


async def test_p12_an_order_is_priced_by_the_old_rule_or_by_the_new_one(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    first, second = await make_product(db, price=D(1000), stock=99), await make_product(db, price=D(500), stock=99)
    offer = await make_offer(db, first, second, discount=D(10))
    lines = [{"product_id": first.id, "quantity": 1}, {"product_id": second.id, "quantity": 1}]
    path = f"/api/marketing/offers/{offer.id}/"
    edits = [client.patch(path, json={"discount": percent}, headers=people.staff) for percent in (50, 10) * 5]
    answers = await asyncio.gather(*(order(client, people, *lines) for _ in range(20)), *edits)
    assert {answer.status_code for answer in answers} == {200, 201}
    assert {answer.json()["total"] for answer in answers[:20]} <= {"1350.00", "750.00"}


@pytest.mark.parametrize("how", ["end", "delete"])
async def test_p12_an_offer_goes_while_orders_are_placed(
    client: httpx.AsyncClient, db: AsyncSession, people: People, how: str
) -> None:
    products = [await make_product(db, price=D(price), stock=99) for price in (1000, 500)]
    lines = [{"product_id": product.id, "quantity": 1} for product in products]
    offer = await make_offer(db, *products, discount=D(10))
    path = f"/api/marketing/offers/{offer.id}/"
    now = dt.datetime.now(dt.UTC).isoformat()
    ends = client.delete(path, headers=people.staff)
    if how == "end":
        ends.close()
        ends = client.patch(path, json={"end_date": now}, headers=people.staff)
    before, after = ([order(client, people, *lines) for _ in range(8)] for _ in range(2))
    answers = await asyncio.gather(*before, ends, *after)
    assert answers[8].status_code == (200 if how == "end" else 204), answers[8].text
    made = [answer.json() for answer in (*answers[:8], *answers[9:])]
    assert {each["total"] for each in made} <= {"1350.00", "1500.00"}
    for each in made:
        prices = sorted(D(item["price_at_time"]) for item in each["products"])
        assert prices == ([D(450), D(900)] if each["total"] == "1350.00" else [D(500), D(1000)])
    late = await order(client, people, *lines)
    assert (late.status_code, late.json()["total"]) == (201, "1500.00")


async def test_p13_p14_the_servers_price_counts(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db, price=D(1000), stock=50)
    line = {"product_id": product.id, "quantity": 1, "price": "1000.00"}
    product.price = D(1500)
    await db.commit()
    for price in ("1000.00", "0.01"):
        refused = await order(client, people, line | {"price": price})
        assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
        assert refused.json()["lines"] == [{"product_id": product.id, "variants": None, "price": "1500.00"}]
    product.price = D(800)
    await db.commit()
    made = await order(client, people, line)
    assert (made.status_code, made.json()["total"]) == (201, "800.00")


async def test_a_quote_says_all_that_the_contract_asks(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db, price=D(1000), options={"Color": [("Rojo", 5, "100.00")]})
    offer = await make_offer(db, product, discount=D(25))
    wanted = {"product_id": product.id, "quantity": 2, "variants": {"Color": "Rojo"}}
    body = {"products": [wanted], "coupon_code": "NADA", "delivery_type": "pickup"}
    answer = await client.post("/api/cart/quote/", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert {*found} == {
        *("lines", "subtotal", "bulk_promotion_discount", "discount", "total", "coupon", "messages"),
        *("valid_until", "server_time"),
    }
    (line,) = found["lines"]
    expected = {
        "base_price": "1000.00",
        "price_adjustment": "100.00",
        "discount_percent": "25.00",
        "discount_source": "offer",
        "unit_price": "825.00",
        "line_total": "1650.00",
        "bulk_discount": "0.00",
        "coupon_share": "0.00",
        "final": "1650.00",
    }
    assert {name: line[name] for name in expected} == expected
    assert (found["total"], found["coupon"]["valid"], len(found["messages"])) == ("1650.00", False, 1)
    assert found["valid_until"] == offer.end_date.isoformat().replace("+00:00", "Z")
    for products in ([], [{"product_id": product.id, "quantity": 0}], [{"product_id": product.id, "quantity": 1}]):
        assert (await client.post("/api/cart/quote/", json={"products": products})).status_code == 400
