"""The last use of a coupon, wanted by fifty at once; uses given back while others are taken."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.models import Coupon
from app.domain.marketing.queries.coupons import AUDIT
from app.settings import Settings
from tests.factories import bearer, make_user
from tests.factories_catalog import make_product
from tests.factories_marketing import make_coupon

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]
BUYERS = 50
D = Decimal


@pytest.fixture
def rounds(*, full_rounds: bool) -> int:
    return 20 if full_rounds else 2


async def make_buyers(db: AsyncSession, settings: Settings) -> list[dict[str, str]]:
    return [bearer(settings, await make_user(db)) for _ in range(BUYERS)]


async def order(client: httpx.AsyncClient, headers: dict[str, str], product_id: int, code: str) -> httpx.Response:
    body = {
        "recipient_name": "Ana",
        "customer_email": "ana@example.com",
        "delivery_type": "pickup",
        "coupon_code": code,
        "products_data": [{"product_id": product_id, "quantity": 1}],
    }
    return await client.post("/api/orders/", json=body, headers=headers)


async def used(db: AsyncSession, coupon: Coupon) -> int:
    await db.commit()
    assert (await db.execute(AUDIT)).all() == []
    found = await db.execute(text("SELECT used FROM coupon WHERE id = :id"), {"id": coupon.id})
    return int(found.scalar_one())


async def test_the_last_uses_have_as_many_winners(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, rounds: int
) -> None:
    product = await make_product(db, price=D(1000), stock=BUYERS * rounds)
    buyers = await make_buyers(db, settings)
    for uses in [1, 7] * (rounds // 2):
        coupon = await make_coupon(db, value=D(10), max_uses=uses)
        answers = await asyncio.gather(*(order(client, each, product.id, coupon.code) for each in buyers))
        statuses = [answer.status_code for answer in answers]
        assert (statuses.count(201), statuses.count(409)) == (uses, BUYERS - uses)
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"coupon_exhausted"}
        assert {answer.json()["total"] for answer in answers if answer.status_code == 201} == {"900.00"}
        assert await used(db, coupon) == uses
        bearing = await db.execute(text("SELECT count(*) FROM orders WHERE coupon_id = :id"), {"id": coupon.id})
        assert bearing.scalar_one() == uses


async def test_uses_are_given_back_while_others_are_taken(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, rounds: int
) -> None:
    product = await make_product(db, price=D(1000), stock=2 * BUYERS * rounds)
    buyers = await make_buyers(db, settings)
    for _ in range(rounds):
        coupon = await make_coupon(db, max_uses=BUYERS // 2)
        first = [await order(client, each, product.id, coupon.code) for each in buyers[: BUYERS // 2]]
        cancels = [
            client.post(f"/api/orders/{made.json()['id']}/cancel/", headers=each)
            for made, each in zip(first, buyers, strict=False)
        ]
        takes = [order(client, each, product.id, coupon.code) for each in buyers[BUYERS // 2 :]]
        answers: list[Any] = await asyncio.gather(*cancels, *takes)
        assert {answer.status_code for answer in answers[: len(cancels)]} == {200}
        assert {answer.status_code for answer in answers[len(cancels) :]} <= {201, 409}
        won = sum(answer.status_code == 201 for answer in answers[len(cancels) :])
        assert await used(db, coupon) == won


async def test_one_buyer_in_fifty_tabs_has_one_use(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    product, coupon = await make_product(db, stock=BUYERS), await make_coupon(db, max_uses_per_user=1)
    headers = bearer(settings, await make_user(db))
    answers = await asyncio.gather(*(order(client, headers, product.id, coupon.code) for _ in range(BUYERS)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (BUYERS - 1)
    assert await used(db, coupon) == 1


async def test_one_order_takes_one_use_however_often_it_is_applied(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings
) -> None:
    product, coupon = await make_product(db, price=D(1000)), await make_coupon(db, value=D(10))
    headers = bearer(settings, await make_user(db))
    made = (await order(client, headers, product.id, "")).json()
    body = {"order_id": made["id"], "purchase_amount": "1.00", "discount_amount": "500.00"}
    path = f"/api/marketing/coupons/{coupon.id}/apply/"
    answers = await asyncio.gather(*(client.post(path, json=body, headers=headers) for _ in range(20)))
    assert {(each.status_code, each.json()["used"]) for each in answers} == {(200, 1)}
    assert {each.json()["usage"]["discount_amount"] for each in answers} == {"100.00"}
    assert await used(db, coupon) == 1
