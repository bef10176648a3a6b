"""A new order: server prices, stock and cart in one transaction; a refusal leaves no trace."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.domain.catalog.models import Product
from tests.factories_catalog import make_product
from tests.orders.counter import Counter
from tests.shop import Headers

PICKUP = {"recipient_name": "Eva Luna", "customer_email": "eva@example.com", "delivery_type": "pickup"}
NOTHING = ("orders", "order_item", "order_event", "procrastinate_jobs", "activity_log")


def line(product: Product, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    return {"product_id": product.id, "quantity": quantity, **fields}


async def create(counter: Counter, headers: Headers, *lines: dict[str, Any], **fields: Any) -> Any:
    body = {**PICKUP, **fields, "products_data": list(lines)}
    return await counter.client.post("/api/orders/", json=body, headers=headers)


async def nothing_is_stored(counter: Counter) -> bool:
    return not any([await counter.value(f"SELECT count(*) FROM {table}") for table in NOTHING])


async def test_an_order(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    soil = await make_product(counter.db, stock=10, price=Decimal("1500.00"), discount=Decimal(10))
    pot = await make_product(counter.db, stock=5, price=Decimal("33.33"))
    answer = await create(
        counter, shopper, line(soil, 2), line(pot, 3, variants_label="roja"), customer_phone="11 5555"
    )
    assert answer.status_code == 201
    order = answer.json()
    assert order | {"products": ..., "created_at": ..., "updated_at": ...} == {
        "id": order["id"],
        "user": user_id,
        "store": None,
        "status": "pending",
        "payment_method": "cash",
        "recipient_name": "Eva Luna",
        "customer_email": "eva@example.com",
        "customer_phone": "11 5555",
        "customer_dni_cuit": "",
        "shipping_address": "",
        "shipping_street": "",
        "shipping_number": "",
        "shipping_neighborhood": "",
        "shipping_city": "",
        "shipping_postal_code": "",
        "delivery_type": "pickup",
        "subtotal": "2799.99",
        "discount": "0.00",
        "bulk_promotion_discount": "0.00",
        "total": "2799.99",
        "shipping_notification_sent": False,
        "coupon": None,
        "coupon_details": None,
        "is_temporary": False,
        "anonymous_id": None,
        "last_activity": None,
        "products": ...,
        "created_at": ...,
        "updated_at": ...,
    }
    assert [(item["product_details"]["id"], item["quantity"], item["price_at_time"]) for item in order["products"]] == [
        (soil.id, 2, "1350.00"),
        (pot.id, 3, "33.33"),
    ]
    assert [item["variants_label"] for item in order["products"]] == ["", "roja"]
    assert (await counter.free(soil), await counter.free(pot)) == (8, 2)
    assert await counter.moves(order["id"]) == [("pending", user_id, "created")]
    assert await counter.jobs() == [
        ("notifications:order_created", {"order_id": order["id"]}),
        ("send_order_mail", {"order_id": order["id"], "kind": "order_created"}),
    ]
    log = await counter.rows("SELECT user_id, action, content_type, object_id FROM activity_log")
    assert log == [(user_id, "order", "order", str(order["id"]))]


async def test_lines_of_one_product_are_summed(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, stock=5, name="Sustrato")
    answer = await create(counter, shopper, line(product, 3, variants_label="a"), line(product, 3, variants_label="b"))
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert "Sustrato" in answer.json()["error"]
    assert "5" in answer.json()["error"]
    assert await counter.free(product) == 5
    assert await nothing_is_stored(counter)
    enough = await create(counter, shopper, line(product, 3), line(product, 2))
    assert (enough.status_code, len(enough.json()["products"]), await counter.free(product)) == (201, 2, 0)


async def test_each_option_has_its_own_stock(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    options = {"Color": [("Rojo", 3, "10.00"), ("Azul", 1, "0.00")], "Talle": [("M", 2, "5.50")]}
    product = await make_product(counter.db, stock=0, options=options, price=Decimal(100))
    answer = await create(counter, shopper, line(product, 2, variants={"Talle": "M", "Color": "Rojo"}))
    assert answer.status_code == 201
    (item,) = answer.json()["products"]
    assert (item["price_at_time"], item["variants"]) == ("115.50", {"Color": "Rojo", "Talle": "M"})
    assert item["variants_label"] == "Color: Rojo, Talle: M"
    free = "SELECT name, stock_free(pool_id) FROM product_option ORDER BY name"
    assert await counter.rows(free) == [("Azul", 1), ("M", 0), ("Rojo", 1)]
    short = await create(counter, shopper, line(product, 1, variants={"Talle": "M", "Color": "Rojo"}))
    assert (short.status_code, short.json()["code"]) == (409, "insufficient_stock")
    order_id = answer.json()["id"]
    assert (await counter.client.post(f"/api/orders/{order_id}/cancel/", headers=shopper)).status_code == 200
    assert await counter.rows(free) == [("Azul", 1), ("M", 2), ("Rojo", 3)]


@pytest.mark.parametrize("variants", [None, {}, {"Color": "Verde"}, {"Talle": "M"}, {"Color": "Rojo", "Talle": "M"}])
async def test_a_choice_that_the_product_does_not_have(counter: Counter, variants: Any) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, options={"Color": [("Rojo", 3, "0.00")]})
    answer = await create(counter, shopper, line(product, 1, variants=variants))
    assert (answer.status_code, "error" in answer.json()) == (400, True)
    assert await nothing_is_stored(counter)


async def test_the_servers_price_counts(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, stock=5, price=Decimal("1000.00"))
    low = await create(counter, shopper, line(product, 1, price="0.01"))
    assert (low.status_code, low.json()["code"]) == (409, "price_changed")
    assert low.json()["lines"] == [{"product_id": product.id, "variants": None, "price": "1000.00"}]
    assert await nothing_is_stored(counter)
    high = await create(counter, shopper, line(product, 1, price="1200.00"))
    assert (high.status_code, high.json()["total"]) == (201, "1000.00")


async def test_what_is_not_for_sale(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    hidden = await make_product(counter.db, is_available=False)
    for product_id in (hidden.id, 987654321):
        answer = await create(counter, shopper, {"product_id": product_id, "quantity": 1})
        assert answer.status_code == 400
        assert str(product_id) in answer.json()["error"]
    assert await nothing_is_stored(counter)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"products_data": []}, "products_data"),
        ({"products_data": [{"product_id": 1, "quantity": 0}]}, "products_data"),
        ({"products_data": [{"product_id": 1, "quantity": 1, "price": "NaN"}]}, "products_data"),
        ({"products_data": [{"product_id": 1, "quantity": 1, "variants": ["Rojo"]}]}, "products_data"),
        ({"products_data": None}, "products_data"),
        ({"recipient_name": ""}, "recipient_name"),
        ({"recipient_name": "n" * 101}, "recipient_name"),
        ({"customer_email": "nobody"}, "customer_email"),
        ({"payment_method": "card"}, "payment_method"),
        ({"delivery_type": "drone"}, "delivery_type"),
    ],
)
async def test_wrong_fields(counter: Counter, fields: dict[str, Any], named: str) -> None:
    _, shopper = await counter.shopper()
    body = {**PICKUP, "products_data": [{"product_id": 1, "quantity": 1}], **fields}
    answer = await counter.client.post("/api/orders/", json=body, headers=shopper)
    assert (answer.status_code, list(answer.json())) == (400, [named])
    assert await nothing_is_stored(counter)


async def test_a_delivery_needs_an_address(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db)
    answer = await create(counter, shopper, line(product), delivery_type="delivery", shipping_city="Rosario")
    assert (answer.status_code, set(answer.json())) == (400, {"shipping_street", "shipping_number"})
    address = {"shipping_street": "Thames", "shipping_number": "1200", "shipping_city": "Buenos Aires"}
    assert (await create(counter, shopper, line(product), delivery_type="delivery", **address)).status_code == 201


async def test_the_minimum_purchase(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, price=Decimal("500.00"))
    await counter.db.execute(text("DELETE FROM site_config"))
    await counter.db.execute(text("INSERT INTO site_config (min_purchase_amount) VALUES (1000)"))
    await counter.db.commit()
    answer = await create(counter, shopper, line(product, 1))
    assert (answer.status_code, answer.json()["code"]) == (400, "min_purchase")
    assert "1000.00" in answer.json()["error"]
    assert await nothing_is_stored(counter)
    assert (await create(counter, shopper, line(product, 2))).status_code == 201


async def test_what_costs_nothing_is_paid(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    product = await make_product(counter.db, price=Decimal(0))
    answer = await create(counter, shopper, line(product), payment_method="online")
    assert (answer.status_code, answer.json()["status"], answer.json()["total"]) == (201, "paid", "0.00")
    marked = "SELECT first_paid_at IS NOT NULL FROM profiles WHERE user_id = :user"
    assert await counter.value(marked, user=user_id) is True


async def test_dollars_become_pesos(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, currency="USD", price=Decimal("10.00"))
    missing = await create(counter, shopper, line(product))
    assert (missing.status_code, missing.json()["code"]) == (400, "rate_missing")
    rate = "INSERT INTO dollar_rate (rate_type, value, is_active) VALUES ('blue', 1234.56, true)"
    await counter.db.execute(text(rate))
    await counter.db.commit()
    answer = await create(counter, shopper, line(product, 2))
    assert (answer.status_code, answer.json()["total"]) == (201, "24691.20")
    assert await counter.value("SELECT dollar_rate FROM orders") == Decimal("1234.56")


async def test_what_the_client_says_of_the_order_is_not_heard(counter: Counter) -> None:
    user_id, shopper = await counter.shopper()
    other_id, _ = await counter.shopper()
    product = await make_product(counter.db, price=Decimal("700.00"))
    forged = {
        "status": "paid",
        "total": "0.01",
        "subtotal": "0.01",
        "discount": "699.99",
        "user": other_id,
        "id": 5,
        "coupon": str(uuid4()),
        "is_temporary": True,
        "created_at": "2001-01-01T00:00:00Z",
        "paid_at": "now",
    }
    answer = await create(counter, shopper, line(product), **forged)
    order = answer.json()
    assert (answer.status_code, order["user"], order["status"], order["total"]) == (201, user_id, "pending", "700.00")
    assert (order["discount"], order["coupon"], order["is_temporary"]) == ("0.00", None, False)
    assert order["created_at"] > "2020"


async def test_more_than_any_shop_has(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, stock=3)
    answer = await create(counter, shopper, line(product, 2**31 - 1), line(product, 2**31 - 1))
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    await counter.db.execute(text("UPDATE stock_slot SET available = 9000000000"))
    await counter.db.commit()
    large = await create(counter, shopper, line(product, 2**31 - 1))
    assert (large.status_code, large.json()["code"]) == (400, "too_large")


async def test_nobody_orders_without_an_account(counter: Counter) -> None:
    product = await make_product(counter.db)
    assert (await create(counter, {}, line(product))).status_code == 401
    assert await nothing_is_stored(counter)


async def test_the_last_unit_is_sold_once(counter: Counter) -> None:
    product = await make_product(counter.db, stock=1)
    buyers = [(await counter.shopper())[1] for _ in range(12)]
    answers = await asyncio.gather(*(create(counter, buyer, line(product)) for buyer in buyers))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"insufficient_stock"}
    assert (await counter.free(product), await counter.value("SELECT count(*) FROM orders")) == (0, 1)


async def test_orders_that_cross_each_other(counter: Counter) -> None:
    one, two = await make_product(counter.db, stock=100), await make_product(counter.db, stock=100)
    buyers = [(await counter.shopper())[1] for _ in range(16)]
    pairs = [(line(one), line(two)) if n % 2 else (line(two), line(one)) for n in range(16)]
    made = (create(counter, buyer, *pair) for buyer, pair in zip(buyers, pairs, strict=True))
    assert {answer.status_code for answer in await asyncio.gather(*made)} == {201}
    assert (await counter.free(one), await counter.free(two)) == (84, 84)


async def test_a_cart_is_ordered_once(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, stock=10)
    anonymous = str(uuid4())
    cart = {"anonymous_id": anonymous, "items": [{"product_id": product.id, "quantity": 1}]}
    assert (await counter.client.post("/api/orders/abandoned-carts/public/cart/", json=cart)).status_code == 200
    tabs = await asyncio.gather(*(create(counter, shopper, line(product), anonymous_id=anonymous) for _ in range(2)))
    assert sorted(answer.status_code for answer in tabs) == [201, 400]
    order_id = next(answer.json()["id"] for answer in tabs if answer.status_code == 201)
    assert await counter.rows("SELECT status, converted_order_id FROM cart") == [("converted", order_id)]
    assert await counter.free(product) == 9


@pytest.mark.parametrize(
    "anonymous", ["", "nobody", None, [1], {"a": 1}, "x" * 10_000, 7, "6f1c2b34-0000-4000-8000-00000000000f"]
)
async def test_what_is_no_carts_id_is_ignored(counter: Counter, anonymous: Any) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db)
    assert (await create(counter, shopper, line(product), anonymous_id=anonymous)).status_code == 201


async def test_one_key_one_order(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, stock=10)
    headers = {**shopper, "Idempotency-Key": "order-1"}
    answers = await asyncio.gather(*(create(counter, headers, line(product)) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await counter.value("SELECT count(*) FROM orders") == 1
    again = await create(counter, headers, line(product))
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert (await create(counter, headers, line(product, 2))).status_code == 422
    assert await counter.free(product) == 9


async def test_what_rolls_back_at_the_end_tells_nobody(counter: Counter) -> None:
    """O18: the stock is the last step; when it fails, no job was ever deferred."""
    _, shopper = await counter.shopper()
    product = await make_product(counter.db, stock=1)
    assert (await create(counter, shopper, line(product, 2))).status_code == 409
    assert await nothing_is_stored(counter)
