"""`PUT /cart/checkout`: the hold becomes one order at the held price, in one transaction."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from tests.promos.market import Market, now

ORDER = """
    SELECT user_id, store_id, recipient_name, customer_email, delivery_type, payment_method, status, subtotal, total,
           discount, bulk_promotion_discount, coupon_id, paid_at
      FROM orders WHERE id = :id
"""
BLANK = """
    SELECT customer_dni_cuit || shipping_address || shipping_street || shipping_number || shipping_neighborhood
           || shipping_city || shipping_postal_code || customer_phone
      FROM orders
"""


async def test_one_order_with_one_line_at_the_held_price(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer(first_name="Eva", last_name="Luna")
    promo = await market.promo(item, promo_price=Decimal("333.33"), per_user_limit=3)
    held = (await market.reserve(buyer, promo, 3)).json()
    answer = await market.checkout(buyer, held["token"])
    done = answer.json()
    assert answer.status_code == 200
    assert done == held | {"status": "confirmed", "order": done["order"], "server_time": done["server_time"]}
    (order,) = await market.run(ORDER, id=done["order"])
    total = Decimal("999.99")
    assert tuple(order) == (
        *(buyer.id, item.store_id, "Eva Luna", buyer.email, "pickup", "cash", "pending"),
        *(total, total, Decimal("0.00"), Decimal("0.00"), None, None),
    )
    assert await market.value(BLANK) == ""
    assert await market.run("SELECT order_id, product_id, pool_ids[1], quantity, price, variants FROM order_item") == [
        (done["order"], item.product_id, item.pool_id, 3, Decimal("333.33"), None)
    ]
    ((status, by, cause, at),) = await market.run("SELECT status, by_id, cause, at FROM order_event")
    assert (status, by, cause) == ("pending", buyer.id, "flash_promotion")
    assert abs(at - now()) < dt.timedelta(seconds=5)
    assert await market.free(item.pool_id) == 2
    assert await market.ledger(item.pool_id) == [(5, "opening", "test"), (-3, "sale", f"order {done['order']}")]


@pytest.mark.parametrize(("method", "status"), [("cash", "pending"), ("online", "payment_pending")])
async def test_the_payment_method_decides_the_orders_beginning(market: Market, method: str, status: str) -> None:
    promo, buyer = await market.promo(await market.item()), await market.buyer()
    token = await market.hold(buyer, promo)
    assert (await market.checkout(buyer, token, payment_method=method)).status_code == 200
    assert await market.run("SELECT payment_method, status FROM orders") == [(method, status)]
    assert await market.run("SELECT status FROM order_event") == [(status,)]


@pytest.mark.parametrize("method", ["cash", "online"])
async def test_an_order_of_nothing_to_pay_is_paid_at_its_creation(market: Market, method: str) -> None:
    promo = await market.promo(await market.item(), discount_percent=Decimal(100))
    buyer = await market.buyer()
    answer = await market.checkout(buyer, await market.hold(buyer, promo), payment_method=method)
    assert (answer.status_code, answer.json()["unit_price"]) == (200, "0.00")
    ((status, total, paid_at),) = await market.run("SELECT status, total, paid_at FROM orders")
    assert (status, total) == ("paid", Decimal("0.00"))
    assert abs(paid_at - now()) < dt.timedelta(seconds=5)
    assert await market.run("SELECT status FROM order_event") == [("paid",)]
    assert await market.run("SELECT first_paid_at, third_last_paid_at FROM profiles") == [(paid_at, None)]


@pytest.mark.parametrize(
    ("names", "recipient"),
    [
        ({"first_name": "Eva", "last_name": ""}, "Eva"),
        ({"first_name": "", "last_name": "Luna"}, "Luna"),
        ({"first_name": "", "last_name": "", "username": "evita"}, "evita"),
        ({"first_name": "á" * 150, "last_name": "b" * 150}, "á" * 100),
    ],
)
async def test_the_recipient_is_the_buyer(market: Market, names: dict[str, Any], recipient: str) -> None:
    promo, buyer = await market.promo(await market.item()), await market.buyer(**names)
    assert (await market.checkout(buyer, await market.hold(buyer, promo))).status_code == 200
    assert await market.value("SELECT recipient_name FROM orders") == recipient


async def test_again_it_is_the_same_answer_and_the_same_order(market: Market) -> None:
    item, buyer = await market.item(), await market.buyer()
    token = await market.hold(buyer, await market.promo(item))
    first = await market.checkout(buyer, token)
    before = await market.stored()
    for method in ("cash", "online"):
        again = await market.checkout(buyer, token, payment_method=method)
        assert again.status_code == 200
        assert again.json() | {"server_time": ""} == first.json() | {"server_time": ""}
    await market.run("UPDATE reservation_finished SET expires_at = clock_timestamp() - interval '1 day'")
    assert (await market.checkout(buyer, token)).json()["order"] == first.json()["order"]
    assert {**before, "reservation_finished": ""} == {**await market.stored(), "reservation_finished": ""}


async def test_after_a_checkout_it_cannot_be_cancelled(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    token = await market.hold(buyer, await market.promo(item))
    assert (await market.checkout(buyer, token)).status_code == 200
    before = await market.stored()
    for _ in range(2):
        answer = await market.cancel(buyer, token)
        assert (answer.status_code, answer.json()) == (
            409,
            {"detail": "The hold was confirmed.", "code": "hold_confirmed"},
        )
    assert await market.stored() == before
    assert await market.free(item.pool_id) == 4


async def test_after_a_checkout_a_new_hold_as_far_as_the_limit_allows(market: Market) -> None:
    promo, buyer = await market.promo(await market.item(), per_user_limit=2), await market.buyer()
    first = await market.hold(buyer, promo)
    assert (await market.checkout(buyer, first)).status_code == 200
    second = await market.hold(buyer, promo)
    assert second != first
    orders = {(await market.checkout(buyer, token)).json()["order"] for token in (first, second)}
    assert len(orders) == 2


async def test_units_of_a_promotion_are_sold_from_its_own_pool(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item, max_units=3)
    pool = await market.pool_of(promo)
    order = (await market.checkout(buyer, await market.hold(buyer, promo))).json()["order"]
    assert await market.value("SELECT pool_ids[1] FROM order_item") == pool
    assert await market.ledger(pool) == [(3, "set_aside", "test"), (-1, "sale", f"order {order}")]
    assert (await market.free(pool), await market.free(item.pool_id)) == (2, 2)


async def test_min_purchase_and_coupons_do_not_touch_it(market: Market) -> None:
    promo, buyer = await market.promo(await market.item(), promo_price=Decimal("0.01")), await market.buyer()
    token = await market.hold(buyer, promo)
    answer = await market.checkout(buyer, token, coupon_code="TEN", discount="5", total="0")
    assert answer.status_code == 200
    assert await market.run("SELECT total, discount, coupon_id FROM orders") == [
        (Decimal("0.01"), Decimal("0.00"), None)
    ]


METHOD = '"card" is not a valid choice.'


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, {"token": "This field is required."}),
        ({"token": None}, {"token": "This field may not be null."}),
        ({"token": "x"}, {"token": "Must be a valid UUID."}),
        ({"token": 5}, {"token": "Must be a valid UUID."}),
        ({"token": ["a"]}, {"token": "Must be a valid UUID."}),
        ({"payment_method": "card"}, {"payment_method": METHOD}),
        ({"payment_method": None}, {"payment_method": "This field may not be null."}),
        ({"payment_method": ["cash"]}, {"payment_method": "\"['cash']\" is not a valid choice."}),
        ({"token": "x", "payment_method": "card"}, {"token": "Must be a valid UUID.", "payment_method": METHOD}),
    ],
)
async def test_a_wrong_body(market: Market, body: dict[str, Any], answer: dict[str, str]) -> None:
    buyer = await market.buyer()
    token = await market.hold(buyer, await market.promo(await market.item()))
    sent = {"token": token} | body if body else {}
    before = await market.stored()
    found = await market.client.put("/cart/checkout", json=sent, headers=market.headers(buyer))
    detail = next(iter(answer.values()))
    assert (found.status_code, found.json()) == (
        400,
        {"detail": detail} | {name: [text] for name, text in answer.items()},
    )
    assert await market.stored() == before
