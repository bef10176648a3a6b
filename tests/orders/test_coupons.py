"""Coupons of orders: a use is taken with the order and comes back with it, whichever way it ends."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.catalog.models import Product
from app.domain.orders.service.life import OrderLife
from tests.factories_catalog import make_product
from tests.orders.counter import Counter
from tests.orders.test_creation import create, line, nothing_is_stored


async def coupon(counter: Counter, code: str = "DEMO10", **fields: Any) -> str:
    values = {"code": code, "type": "percentage", "value": Decimal(10)} | fields
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    statement = text(f"INSERT INTO coupon ({names}) VALUES ({marks}) RETURNING id")
    found = str((await counter.db.execute(statement, values)).scalar_one())
    await counter.db.commit()
    return found


async def used(counter: Counter) -> int:
    """By the coupon's own count, which is that of its live uses."""
    rows = await counter.rows("""
        SELECT c.used, (SELECT count(*) FROM coupon_use u WHERE u.coupon_id = c.id AND u.given_back_at IS NULL)
          FROM coupon c
    """)
    ((count, live),) = rows
    assert count == live
    return int(count)


async def test_an_order_with_a_coupon(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    coupon_id = await coupon(counter, max_uses=3)
    product = await make_product(counter.db, price=Decimal("99.99"))
    answer = await create(counter, shopper, line(product, 1), coupon_code="demo10")
    order = answer.json()
    assert (answer.status_code, order["subtotal"], order["discount"], order["total"]) == (
        *(201, "99.99", "10.00", "89.99"),
    )
    assert order["coupon"] == coupon_id
    details = order["coupon_details"]
    assert details | {"created_at": ..., "updated_at": ...} == {
        "id": coupon_id, "code": "DEMO10", "type": "percentage", "value": "10.00", "max_amount": None,
        "min_purchase": "0.00", "max_uses": 3, "used": 1, "expires_at": None, "active": True, "categories": [],
        "is_expired": False, "is_valid": True, "usages": [], "created_at": ..., "updated_at": ...,
    }  # fmt: skip
    assert await used(counter) == 1


@pytest.mark.parametrize(
    "fields",
    [{"active": False}, {"min_purchase": Decimal(5000)}, {"code": "OTHER"}],
)
async def test_a_coupon_that_does_not_hold(counter: Counter, fields: dict[str, Any]) -> None:
    _, shopper = await counter.shopper()
    await coupon(counter, **fields)
    product = await make_product(counter.db)
    answer = await create(counter, shopper, line(product), coupon_code="DEMO10")
    assert (answer.status_code, "error" in answer.json()) == (400, True)
    assert await nothing_is_stored(counter)
    assert await used(counter) == 0


async def test_the_last_use_goes_to_one(counter: Counter) -> None:
    await coupon(counter, max_uses=1)
    product = await make_product(counter.db, stock=100)
    buyers = [(await counter.shopper())[1] for _ in range(10)]
    answers = await asyncio.gather(*(create(counter, buyer, line(product), coupon_code="DEMO10") for buyer in buyers))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"coupon_exhausted"}
    assert (await used(counter), await counter.free(product)) == (1, 99)


async def placed(counter: Counter, product: Product, **fields: Any) -> int:
    _, shopper = await counter.shopper()
    answer = await create(counter, shopper, line(product, 2), coupon_code="DEMO10", **fields)
    assert answer.status_code == 201
    return int(answer.json()["id"])


async def test_it_comes_back_with_the_order_and_once(counter: Counter) -> None:
    await coupon(counter, max_uses=2)
    product = await make_product(counter.db, stock=10)
    _, staff = await counter.staff()
    first, second = await placed(counter, product), await placed(counter, product)
    assert await used(counter) == 2
    path = f"/api/orders/{first}/update_status/"
    calls = (counter.client.patch(path, json={"status": "cancelled"}, headers=staff) for _ in range(4))
    assert sorted(answer.status_code for answer in await asyncio.gather(*calls)) == [200, 400, 400, 400]
    assert (await used(counter), await counter.free(product)) == (1, 8)
    assert (await counter.client.delete(f"/api/orders/{first}/", headers=staff)).status_code == 204
    assert (await counter.client.delete(f"/api/orders/{second}/", headers=staff)).status_code == 204
    assert (await used(counter), await counter.free(product)) == (0, 10)


async def test_an_order_that_ran_out_comes_back_with_its_coupon_or_not_at_all(counter: Counter) -> None:
    await coupon(counter, max_uses=1)
    product = await make_product(counter.db, stock=10)
    for taken_meanwhile in (False, True):
        order_id = await placed(counter, product, payment_method="online")
        await counter.value(
            "UPDATE orders SET unpaid_since = now() - interval '1 hour' WHERE id = :i RETURNING 1", i=order_id
        )
        assert await OrderLife(counter.db).expire_unpaid(9, minutes=30, cash_hours=48) == 1
        await counter.db.commit()
        assert (await used(counter), await counter.free(product)) == (0, 10)
        other = await placed(counter, product) if taken_meanwhile else None
        revived = await OrderLife(counter.db).revive(order_id)
        await counter.db.commit()
        assert revived is not taken_meanwhile
        assert (await used(counter), await counter.free(product)) == (1, 8)
        for each in filter(None, (other, order_id)):
            await OrderLife(counter.db).move(each, "cancelled", by=None, cause="refund")
            await counter.db.commit()
        assert (await used(counter), await counter.free(product)) == (0, 10)


async def test_lines_that_change_change_what_is_taken_off(counter: Counter) -> None:
    await coupon(counter, min_purchase=Decimal(200))
    product = await make_product(counter.db, stock=20, price=Decimal("100.00"))
    order_id = await placed(counter, product)
    _, staff = await counter.staff()
    await counter.value("UPDATE product SET price = 999 RETURNING 1")
    item = await counter.value("SELECT id FROM order_item")

    async def patched(quantity: int) -> tuple[str, str, str]:
        body = {"items": [{"id": item, "quantity": quantity}]}
        order = (await counter.client.patch(f"/api/orders/{order_id}/items/", json=body, headers=staff)).json()
        return order["subtotal"], order["discount"], order["total"]

    async def told() -> list[tuple[Any, ...]]:
        return await counter.rows("SELECT purchase_amount, discount_amount, given_back_at IS NULL FROM coupon_use")

    assert await patched(5) == ("500.00", "50.00", "450.00")
    assert await told() == [(Decimal("500.00"), Decimal("50.00"), True)]
    assert await patched(1) == ("100.00", "0.00", "100.00")
    assert await told() == [(Decimal("100.00"), Decimal("0.00"), True)]
    assert await patched(3) == ("300.00", "30.00", "270.00")
    assert (await used(counter), await counter.free(product)) == (1, 17)
    assert await told() == [(Decimal("300.00"), Decimal("30.00"), True)]
    usage = (await counter.client.get("/api/marketing/coupons/", headers=staff)).json()["results"][0]["usages"]
    assert [(one["purchase_amount"], one["discount_amount"]) for one in usage] == [("300.00", "30.00")]


async def test_promotions_by_quantity_follow_the_lines(counter: Counter) -> None:
    _, shopper = await counter.shopper()
    _, staff = await counter.staff()
    product = await make_product(counter.db, stock=20, price=Decimal("100.00"))
    made = """
        INSERT INTO bulk_promotion (name, promotion_type, buy_quantity, pay_quantity, start_date, end_date,
                                    max_applications)
        VALUES ('3x2', '3x2', 3, 2, now() - interval '1 day', now() + interval '1 day', 10) RETURNING id
    """
    promotion = await counter.value(made)
    link = "INSERT INTO bulk_promotion_product (bulk_promotion_id, product_id) VALUES (:b, :p) RETURNING 1"
    await counter.value(link, b=promotion, p=product.id)
    order = (await create(counter, shopper, line(product, 3))).json()
    assert (order["subtotal"], order["bulk_promotion_discount"], order["total"]) == ("300.00", "100.00", "200.00")
    body = {"items": [{"id": order["products"][0]["id"], "quantity": 7}]}
    path = f"/api/orders/{order['id']}/items/"
    changed = (await counter.client.patch(path, json=body, headers=staff)).json()
    assert (changed["subtotal"], changed["bulk_promotion_discount"], changed["total"]) == ("700.00", "200.00", "500.00")


async def test_lines_that_a_coupon_covers_are_paid(counter: Counter) -> None:
    """An order that comes to nothing cannot be paid for, and would run out."""
    await coupon(counter, type="fixed", value=Decimal(150))
    product = await make_product(counter.db, stock=20, price=Decimal("100.00"))
    order_id = await placed(counter, product)
    staff_id, staff = await counter.staff()
    item = await counter.value("SELECT id FROM order_item")
    body = {"items": [{"id": item, "quantity": 1}]}
    order = (await counter.client.patch(f"/api/orders/{order_id}/items/", json=body, headers=staff)).json()
    assert (order["subtotal"], order["discount"], order["total"]) == ("100.00", "100.00", "0.00")
    assert (order["status"], await counter.free(product), await used(counter)) == ("paid", 19, 1)
    assert (await counter.moves(order_id))[-1] == ("paid", staff_id, "free")
    logged = "SELECT user_id, changes FROM activity_log WHERE action = 'status_change'"
    assert await counter.rows(logged) == [(staff_id, {"status": ["pending", "paid"]})]
    assert await counter.value("SELECT count(*) FROM profiles WHERE first_paid_at IS NOT NULL") == 1
