"""Orders that are asked for at once share a transaction, and nobody's order is another's affair."""

import asyncio
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from tests.factories_catalog import make_product
from tests.orders.counter import Counter
from tests.orders.test_creation import create, line

BUYERS = 8


def outcome(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_many_orders_are_few_transactions(counter: Counter) -> None:
    people = [await counter.shopper() for _ in range(BUYERS)]
    hot = await make_product(counter.db, stock=100, price=Decimal("10.00"))
    own = [await make_product(counter.db, stock=5, price=Decimal(100 + number)) for number in range(BUYERS)]
    answers = await asyncio.gather(
        *(
            create(counter, headers, line(product, 2), line(hot))
            for (_, headers), product in zip(people, own, strict=True)
        )
    )
    assert [answer.status_code for answer in answers] == [201] * BUYERS
    for answer, (user_id, _), product in zip(answers, people, own, strict=True):
        order = answer.json()
        assert order["user"] == user_id
        assert order["total"] == f"{2 * product.price + 10:.2f}"
        lines = [(item["product_details"]["id"], item["quantity"]) for item in order["products"]]
        assert lines == [(product.id, 2), (hot.id, 1)]
        logged = "SELECT user_id FROM activity_log WHERE content_type = 'order' AND object_id = :id"
        assert await counter.value(logged, id=str(order["id"])) == user_id
        assert await counter.value("SELECT count(*) FROM order_event WHERE order_id = :id", id=order["id"]) == 1
    assert await counter.value("SELECT count(DISTINCT xmin::text) FROM orders") < BUYERS
    assert await counter.value("SELECT count(*) FROM procrastinate_jobs") == 2 * BUYERS
    free = "SELECT sum(available) FROM stock_slot WHERE pool_id = :pool"
    assert await counter.value(free, pool=hot.pool_id) == 100 - BUYERS
    assert [await counter.value(free, pool=product.pool_id) for product in own] == [3] * BUYERS


async def test_what_is_answered_is_what_is_stored(counter: Counter) -> None:
    """The answer is made of what was written, and not of what was read again: that is the same."""
    _, shopper = await counter.shopper()
    shown = {"image": "pots/red.webp", "volume": "5 l", "dimensions": "10 x 10", "special_promotion_name": "Primavera"}
    options = {"Color": [("Rojo", 5, "10.00")], "Talle": [("M", 5, "0.00")]}
    pot = await make_product(counter.db, options=options, has_special_promotion=True, discount=Decimal(15), **shown)
    seed = await make_product(counter.db, price=Decimal("0.10"))
    where = {"shipping_street": "Sarmiento", "shipping_number": "12", "shipping_city": "Rosario"}
    lines = (
        line(pot, 2, variants={"Talle": "M", "Color": "Rojo"}),
        line(seed, 3, variants_label="a granel"),
        line(pot, 1, variants={"Color": "Rojo", "Talle": "M"}, variants_label="la roja"),
    )
    answer = await create(counter, shopper, *lines, payment_method="online", delivery_type="delivery", **where)
    assert answer.status_code == 201
    order = answer.json()
    again = await counter.client.get(f"/api/orders/{order['id']}/", headers=shopper)
    assert order == again.json()
    assert list(order) == list(again.json())
    assert [item["variants_label"] for item in order["products"]] == ["Color: Rojo, Talle: M", "a granel", "la roja"]
    assert order["products"][0]["product_details"]["image"].endswith("/pots/red.webp")
    assert (order["shipping_city"], order["payment_method"]) == ("Rosario", "online")


async def test_what_is_refused_is_refused_alone(counter: Counter) -> None:
    soil = await make_product(counter.db, stock=50, price=Decimal("10.00"))
    rare = await make_product(counter.db, stock=1, price=Decimal("10.00"))
    gone = await make_product(counter.db, stock=9, is_available=False)
    wanted = [line(soil), line(gone), line(rare), line(soil, price="9.99"), line(rare), line(rare, 2), line(soil, 51)]
    people = [await counter.shopper() for _ in wanted]
    answers = await asyncio.gather(
        *(create(counter, headers, each) for (_, headers), each in zip(people, wanted, strict=True))
    )
    found = [outcome(answer) for answer in answers]
    assert found[0] == (201, "")
    assert found[1] == (400, "unknown_product")
    assert sorted([found[2], found[4]]) == [(201, ""), (409, "insufficient_stock")]
    assert found[3] == (409, "price_changed")
    assert found[5:] == [(409, "insufficient_stock")] * 2
    assert await counter.value("SELECT count(*) FROM orders") == 2
    assert await counter.value("SELECT sum(quantity) FROM order_item") == 2


async def test_who_waits_for_a_lock_waits_alone(counter: Counter) -> None:
    """One product's units are held by somebody who takes his time: the other orders do not wait for him."""
    held, free = [await make_product(counter.db, stock=5) for _ in range(2)]
    (_, slow), (_, quick) = await counter.shopper(), await counter.shopper()
    await counter.db.execute(text("SELECT FROM stock_slot WHERE pool_id = :pool FOR UPDATE"), {"pool": held.pool_id})
    waiting = asyncio.create_task(create(counter, slow, line(held)))
    answer = await create(counter, quick, line(free))
    assert answer.status_code == 201
    assert not waiting.done()
    await counter.db.rollback()
    assert (await waiting).status_code == 201


async def test_callers_are_looked_at_each_time(counter: Counter) -> None:
    """Somebody who was blocked, logged out or erased a moment ago orders nothing, whoever orders beside him."""
    soil = await make_product(counter.db, stock=5)
    people = [await counter.shopper() for _ in range(4)]
    assert (await create(counter, people[1][1], line(soil))).status_code == 201
    for change, (user_id, _) in zip(
        ("is_active = false", "token_version = token_version + 1", "deleted_at = now(), is_active = false"),
        people[1:],
        strict=True,
    ):
        await counter.db.execute(text(f"UPDATE users SET {change} WHERE id = :id"), {"id": user_id})
    await counter.db.commit()
    answers = await asyncio.gather(*(create(counter, headers, line(soil)) for _, headers in people))
    assert [answer.status_code for answer in answers] == [201, 401, 401, 401]
    assert await counter.value("SELECT count(*) FROM orders") == 2
