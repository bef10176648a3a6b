"""Coupons of orders that are paid online: a use belongs to the order, whatever becomes of its payments."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx

from app.domain.catalog.models import Product
from app.domain.marketing.queries.coupons import AUDIT
from tests.factories import bearer, make_user
from tests.factories_catalog import make_product
from tests.factories_marketing import make_coupon
from tests.payments.counter import Counter

CODE = "UNO"


async def order(counter: Counter, product: Product, user: Any = None) -> httpx.Response:
    body = {
        "recipient_name": "Ana Paz",
        "customer_email": "ana@example.com",
        "delivery_type": "pickup",
        "payment_method": "online",
        "coupon_code": CODE,
        "products_data": [{"product_id": product.id, "quantity": 1}],
    }
    headers = bearer(counter.settings, user or counter.buyer)
    return await counter.client.post("/api/orders/", json=body, headers=headers)


async def ordered(counter: Counter, product: Product) -> int:
    answer = await order(counter, product)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def used(counter: Counter) -> int:
    """By the coupon's own count, which is that of its live uses."""
    assert (await counter.db.execute(AUDIT)).all() == []
    return int(await counter.value("SELECT used FROM coupon"))


async def test_a_refused_payment_keeps_the_coupon(counter: Counter) -> None:
    await make_coupon(counter.db, code=CODE, max_uses=1)
    product, other = await make_product(counter.db, price=Decimal(100), stock=5), await make_user(counter.db)
    order_id = await ordered(counter, product)
    preference_id = await counter.started(order_id)
    for outcome in ("FUND", "OTHE"):
        await counter.pay(preference_id, outcome)
        await counter.drain()
        assert await counter.status(order_id) == ("rejected", "payment_pending")
        assert await used(counter) == 1
        late = await order(counter, product, other)
        assert (late.status_code, late.json()["code"]) == (409, "coupon_exhausted")
    assert await counter.started(order_id) == preference_id
    await counter.pay(preference_id)
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert (await used(counter), counter.moved("charge"), counter.moved("refund")) == (1, [Decimal(90)], [])


async def test_it_is_free_again_when_the_order_ran_out_or_its_money_went_back(counter: Counter) -> None:
    await make_coupon(counter.db, code=CODE, max_uses=1)
    product = await make_product(counter.db, price=Decimal(100), stock=5)
    first = await ordered(counter, product)
    await counter.pay(await counter.started(first), "FUND")
    await counter.drain()
    await counter.expire(first)
    assert await used(counter) == 0
    second = await ordered(counter, product)
    await counter.pay(await counter.started(second))
    await counter.drain()
    assert (await counter.status(second), await used(counter)) == (("approved", "paid"), 1)
    assert (await counter.refund(second)).status_code == 200
    assert (await counter.status(second), await used(counter)) == (("refunded", "cancelled"), 0)
    assert await ordered(counter, product)


async def test_one_order_paid_by_two_at_once_has_one_use_and_keeps_its_money(counter: Counter) -> None:
    await make_coupon(counter.db, code=CODE, max_uses=1)
    order_id = await ordered(counter, await make_product(counter.db, price=Decimal(100), stock=5))
    number = await counter.pay(await counter.started(order_id), tell=False)
    answers = await asyncio.gather(
        *(counter.check(order_id) for _ in range(4)),
        *(counter.run("payments:apply_event", resource=number) for _ in range(4)),
    )
    assert {getattr(answer, "status_code", 200) for answer in answers} == {200}
    await counter.drain()
    assert await counter.status(order_id) == ("approved", "paid")
    assert (await used(counter), counter.moved("charge"), counter.moved("refund")) == (1, [Decimal(90)], [])


async def test_late_money_takes_the_use_again_or_goes_back(counter: Counter) -> None:
    await make_coupon(counter.db, code=CODE, max_uses=1)
    product = await make_product(counter.db, price=Decimal(100), stock=9)
    for taken_meanwhile in (False, True):
        order_id = await ordered(counter, product)
        preference_id = await counter.started(order_id)
        await counter.expire(order_id)
        if taken_meanwhile:
            await ordered(counter, product)
        await counter.pay(preference_id)
        await counter.drain()
        paid, back = ("approved", "paid"), ("refunded", "cancelled")
        assert await counter.status(order_id) == (back if taken_meanwhile else paid)
        assert await used(counter) == 1
        if not taken_meanwhile:
            assert (await counter.refund(order_id)).status_code == 200
    assert sum(counter.moved("charge")) == sum(counter.moved("refund"))


async def test_nobody_is_asked_to_pay_nothing(counter: Counter) -> None:
    await make_coupon(counter.db, code=CODE, type="fixed", value=Decimal(7000))
    order_id = await ordered(counter, await make_product(counter.db, price=Decimal(6000), stock=5))
    assert await counter.status(order_id) == (None, "paid")
    assert (await counter.create(order_id)).status_code == 400
    assert counter.arrived("POST", "/checkout/preferences") == 0
    assert await used(counter) == 1
