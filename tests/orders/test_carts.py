"""Orders made of carts, and carts made of orders that were left."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.domain.orders.service.carts import CartDesk
from app.http.principal import Principal
from tests.carts.visiting import CARTS, CUSTOMER, line, put, row_of, silent_for
from tests.factories import make_staff
from tests.factories_catalog import make_product
from tests.factories_marketing import make_coupon
from tests.orders.counter import Counter
from tests.shop import Headers
from tests.statements import statements

MIGRATE = f"{CARTS}migrate_from_orders/"
PICKUP = {"recipient_name": "Eva Luna", "customer_email": "eva@example.com", "delivery_type": "pickup"}


async def convert(counter: Counter, cart_id: int, headers: Headers) -> httpx.Response:
    return await counter.client.post(f"{CARTS}{cart_id}/convert_to_order/", headers=headers)


async def new_cart(counter: Counter, *lines: dict[str, Any], customer: Any = CUSTOMER) -> int:
    return int((await put(counter.client, *lines, customer=customer)).json()["cart_id"])


@pytest.mark.parametrize("status", ["active", "abandoned", "recovered"])
async def test_a_cart_becomes_an_order(counter: Counter, status: str) -> None:
    staff_id, staff = await counter.staff()
    product = await make_product(counter.db, stock=10, discount=10)
    cart_id = await new_cart(counter, line(product, 3))
    if status != "active":
        await silent_for(counter.db, cart_id, "6 hours")
    if status == "recovered":
        await counter.client.post(f"{CARTS}{cart_id}/recover/", headers=staff)
    answer = await convert(counter, cart_id, staff)
    assert answer.status_code == 201
    body = answer.json()
    order_id = body["order_id"]
    assert (body["success"], body["message"]) == (True, f"Carrito convertido en el pedido n.º {order_id}")
    assert set(body) == {"success", "message", "order_id", "cart"}
    assert (body["cart"]["id"], body["cart"]["status"], body["cart"]["total"]) == (cart_id, "converted", "4050.00")
    assert (await row_of(counter.db, cart_id))["converted_order_id"] == order_id
    order = (await counter.client.get(f"/api/orders/{order_id}/", headers=staff)).json()
    assert (order["status"], order["user"], order["total"], order["delivery_type"]) == (
        *("pending", None, "4050.00"),
        "pickup",
    )
    assert (order["recipient_name"], order["customer_email"], order["customer_phone"]) == (
        *(CUSTOMER["name"], CUSTOMER["email"]),
        CUSTOMER["phone"],
    )
    assert await counter.free(product) == 7
    assert await counter.moves(order_id) == [("pending", staff_id, "cart")]
    logged = await counter.rows("SELECT content_type, action, object_id FROM activity_log ORDER BY id DESC LIMIT 2")
    assert set(logged) == {("order", "order", str(order_id)), ("abandonedcart", "status_change", str(cart_id))}


async def test_todays_price_is_charged(counter: Counter) -> None:
    _, staff = await counter.staff()
    product = await make_product(counter.db)
    cart_id = await new_cart(counter, line(product, price="0.01"))
    await counter.value("UPDATE product SET price = 2000 RETURNING id")
    body = (await convert(counter, cart_id, staff)).json()
    assert await counter.value("SELECT total FROM orders WHERE id = :id", id=body["order_id"]) == Decimal("2000.00")


async def test_a_users_cart_becomes_the_users_order(counter: Counter) -> None:
    (_, staff), (user_id, shopper) = await counter.staff(), await counter.shopper(email="eva@example.com")
    cart_id = await new_cart(counter, line(await make_product(counter.db)), customer=None)
    assert (await convert(counter, cart_id, staff)).json()["code"] == "no_email"
    await counter.value("UPDATE cart SET user_id = :user RETURNING id", user=user_id)
    order_id = (await convert(counter, cart_id, staff)).json()["order_id"]
    order = (await counter.client.get(f"/api/orders/{order_id}/", headers=shopper)).json()
    assert (order["user"], order["recipient_name"], order["customer_email"]) == (
        *(user_id, "Ana Prueba"),
        "eva@example.com",
    )


@pytest.mark.parametrize("why", ["empty", "no email", "converted", "expired", "stale", "gone"])
async def test_what_no_order_can_be_made_of(counter: Counter, why: str) -> None:
    _, staff = await counter.staff()
    product = await make_product(counter.db)
    lines = [] if why == "empty" else [line(product)]
    cart_id = await new_cart(counter, *lines, customer=None if why == "no email" else CUSTOMER)
    if why == "converted":
        await convert(counter, cart_id, staff)
    elif why == "expired":
        await counter.value("UPDATE cart SET status = 'expired' RETURNING id")
    elif why == "stale":
        await silent_for(counter.db, cart_id, "31 days")
    elif why == "gone":
        await counter.value("UPDATE product SET is_available = false RETURNING id")
    before, orders = await row_of(counter.db, cart_id), await counter.value("SELECT count(*) FROM orders")
    answer = await convert(counter, cart_id, staff)
    assert (answer.status_code, set(answer.json())) == (400, {"error", "code"})
    assert await row_of(counter.db, cart_id) == before
    assert await counter.value("SELECT count(*) FROM orders") == orders
    assert (await convert(counter, 999_999_999, staff)).status_code == 404


@pytest.mark.parametrize("active", [True, False])
async def test_a_coupon_that_is_still_good_is_taken(counter: Counter, active: bool) -> None:
    _, staff = await counter.staff()
    coupon = await make_coupon(counter.db, value=Decimal(10), active=active)
    cart_id = await new_cart(counter, line(await make_product(counter.db), 2))
    await counter.value("UPDATE cart SET coupon_id = :coupon RETURNING id", coupon=coupon.id)
    shown = (await counter.client.get(f"{CARTS}{cart_id}/", headers=staff)).json()
    assert (shown["coupon_details"]["code"], shown["coupon_details"]["is_valid"]) == (coupon.code, active)
    order_id = (await convert(counter, cart_id, staff)).json()["order_id"]
    order = (await counter.client.get(f"/api/orders/{order_id}/", headers=staff)).json()
    assert (order["total"], order["coupon"]) == (shown["total"], str(coupon.id) if active else None)
    assert await counter.value("SELECT used FROM coupon") == int(active)


async def test_a_cart_is_quoted_once(counter: Counter) -> None:
    """With a coupon too: it is asked for together with the prices that the order takes."""
    user = await make_staff(counter.db)
    coupon = await make_coupon(counter.db)
    cart_id = await new_cart(counter, line(await make_product(counter.db), 2))
    await counter.value("UPDATE cart SET coupon_id = :coupon RETURNING id", coupon=coupon.id)
    actor = Principal(user.id, user.username, user.email, is_staff=True, is_superuser=False)
    with statements(counter.db) as sent:
        order_id, _ = await CartDesk(counter.db, counter.settings, actor).order_of(cart_id)
    await counter.db.commit()
    assert sum("AS used_by_user" in statement for statement in sent) == 1
    assert await counter.value("SELECT coupon_id FROM orders WHERE id = :id", id=order_id) == coupon.id


async def test_too_little_stock(counter: Counter) -> None:
    _, staff = await counter.staff()
    product = await make_product(counter.db, stock=2)
    cart_id = await new_cart(counter, line(product, 2), line(product, 1))
    answer = await convert(counter, cart_id, staff)
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert ((await row_of(counter.db, cart_id))["status"], await counter.free(product)) == ("active", 2)
    assert await counter.value("SELECT count(*) FROM orders") == 0


async def test_converting_at_once_makes_one_order(counter: Counter) -> None:
    _, staff = await counter.staff()
    for _ in range(3):
        product = await make_product(counter.db, stock=10)
        cart_id = await new_cart(counter, line(product, 2))
        answers = await asyncio.gather(*(convert(counter, cart_id, staff) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]
        assert {answer.json()["code"] for answer in answers if answer.status_code == 400} == {"cart_converted"}
        assert await counter.free(product) == 8


async def test_converting_against_the_customers_order_makes_one_order(counter: Counter) -> None:
    (_, staff), (_, shopper) = await counter.staff(), await counter.shopper()
    for _ in range(4):
        product, anonymous_id = await make_product(counter.db, stock=10), str(uuid4())
        cart = await put(counter.client, line(product, 2), anonymous_id=anonymous_id, customer=CUSTOMER)
        body = {**PICKUP, "products_data": [line(product, 2)], "anonymous_id": anonymous_id}
        bought, converted = await asyncio.gather(
            counter.client.post("/api/orders/", json=body, headers=shopper),
            convert(counter, cart.json()["cart_id"], staff),
        )
        assert sorted([bought.status_code, converted.status_code]) == [201, 400]
        made = bought.json()["id"] if bought.status_code == 201 else converted.json()["order_id"]
        assert (await row_of(counter.db, cart.json()["cart_id"]))["converted_order_id"] == made
        assert await counter.free(product) == 8


async def test_an_update_against_a_conversion_leaves_one_or_the_other(counter: Counter) -> None:
    _, staff = await counter.staff()
    for _ in range(4):
        old, new = await make_product(counter.db, stock=10), await make_product(counter.db, stock=10)
        anonymous_id = uuid4()
        cart_id = (await put(counter.client, line(old, 2), anonymous_id=anonymous_id, customer=CUSTOMER)).json()[
            "cart_id"
        ]
        updated, converted = await asyncio.gather(
            put(counter.client, line(new, 3), anonymous_id=anonymous_id), convert(counter, cart_id, staff)
        )
        assert (updated.status_code, converted.status_code) == (200, 201)
        row = await row_of(counter.db, cart_id)
        sold = (10 - await counter.free(old), 10 - await counter.free(new))
        # Either the order was made first and the cart began again, or the order is of the new lines.
        assert (row["status"], sold) in {("active", (2, 0)), ("converted", (0, 3))}


async def test_a_key_makes_it_once(counter: Counter) -> None:
    _, staff = await counter.staff()
    cart_id = await new_cart(counter, line(await make_product(counter.db)))
    keyed = {**staff, "Idempotency-Key": "one"}
    first, second = await convert(counter, cart_id, keyed), await convert(counter, cart_id, keyed)
    assert (first.status_code, second.status_code, first.content) == (201, 201, second.content)
    assert second.headers["idempotent-replayed"] == "true"


async def test_orders_that_were_left_become_carts(counter: Counter) -> None:
    (staff_id, staff), (user_id, _) = await counter.staff(), await counter.shopper()
    product = await make_product(counter.db, stock=10)
    visitor, taken = str(uuid4()), str(uuid4())
    await put(counter.client, line(product), anonymous_id=taken)
    orders = [
        await counter.order(user_id, [(product, 2)], status="abandoned", anonymous_id=visitor, customer_phone="11"),
        await counter.order(None, [(product, 1)], status="abandoned", anonymous_id=visitor),
        await counter.order(None, [(product, 1)], status="abandoned", anonymous_id=taken),
        await counter.order(None, [(product, 1)], status="abandoned", anonymous_id="not-a-uuid"),
    ]
    empty = await counter.order(None, status="abandoned")
    await counter.value("DELETE FROM order_item WHERE order_id = :id RETURNING id", id=empty)
    kept = await counter.order(user_id, [(product, 1)])
    answer = await counter.client.post(MIGRATE, headers=staff)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "migrated_count": 4,
        "skipped_count": 1,
        "message": "Pedidos abandonados convertidos en carritos: 4",
    }
    assert [await counter.status(each) for each in (*orders, empty, kept)] == [
        *["archived"] * 4,
        "abandoned",
        "pending",
    ]
    assert (await counter.moves(orders[0]))[-1] == ("archived", staff_id, "migrated")
    found = await counter.rows(
        "SELECT migrated_order_id, user_id, anonymous_id::text, status, total FROM cart"
        " WHERE migrated_order_id IS NOT NULL ORDER BY migrated_order_id"
    )
    total = Decimal("1500.00")
    assert found == [
        (orders[0], user_id, None, "abandoned", 2 * total),
        (orders[1], None, visitor, "abandoned", total),
        (orders[2], None, None, "abandoned", total),
        (orders[3], None, None, "abandoned", total),
    ]
    carts = (await counter.client.get(CARTS, params={"user_id": user_id}, headers=staff)).json()["results"]
    assert [(cart["customer_name"], cart["customer_phone"], cart["items_count"]) for cart in carts] == [
        ("Ana Prueba", "11", 2)
    ]
    again = (await counter.client.post(MIGRATE, headers=staff)).json()
    assert (again["migrated_count"], again["skipped_count"]) == (0, 1)


async def test_orders_move_once(counter: Counter) -> None:
    _, staff = await counter.staff()
    for _ in range(6):
        await counter.order(None, status="abandoned")
    answers = await asyncio.gather(*(counter.client.post(MIGRATE, headers=staff) for _ in range(4)))
    assert sum(answer.json()["migrated_count"] for answer in answers) == 6
    assert await counter.value("SELECT count(*) FROM cart") == 6


@pytest.mark.parametrize("path", [MIGRATE, f"{CARTS}7/convert_to_order/"])
async def test_staff_alone(counter: Counter, path: str) -> None:
    _, shopper = await counter.shopper()
    assert (await counter.client.post(path)).status_code == 401
    assert (await counter.client.post(path, headers=shopper)).status_code == 403


async def test_an_order_says_which_cart_it_was(counter: Counter) -> None:
    """An id of no cart, or of somebody else's, is no word about the order."""
    user_id, shopper = await counter.shopper()
    product, visitor, foreign = await make_product(counter.db), str(uuid4()), str(uuid4())
    cart_id = (await put(counter.client, line(product), anonymous_id=visitor)).json()["cart_id"]
    taken = (await put(counter.client, line(product), anonymous_id=foreign)).json()["cart_id"]
    other, _ = await counter.shopper()
    await counter.value("UPDATE cart SET user_id = :user WHERE id = :id RETURNING id", user=other, id=taken)
    for sent, stored in ((visitor.upper(), visitor), (foreign, None), (str(uuid4()), None), ("x", None), (None, None)):
        body = {**PICKUP, "products_data": [line(product)], "anonymous_id": sent}
        answer = await counter.client.post("/api/orders/", json=body, headers=shopper)
        assert (answer.status_code, answer.json()["anonymous_id"]) == (201, stored)
    row = await row_of(counter.db, cart_id)
    assert (row["status"], row["user_id"]) == ("converted", user_id)
    assert (await row_of(counter.db, taken))["status"] == "active"
