"""Coupons as staff write them and buyers ask about them."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.service.coupons import CouponService
from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import make_bulk, make_coupon, make_offer, make_plain_order
from tests.shop import People

COUPONS = "/api/marketing/coupons/"
D = Decimal
FIELDS = {
    *("id", "code", "type", "value", "max_amount", "min_purchase", "max_uses", "used", "expires_at", "active"),
    *("categories", "created_at", "updated_at", "is_expired", "is_valid", "usages", "max_uses_per_user"),
}


async def test_the_life_of_a_coupon(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    category = await make_category(db)
    body = {"code": " verano20 ", "type": "percentage", "value": "20.00", "max_amount": "5000", "min_purchase": 1000}
    body |= {"categories": [category.id, category.id], "max_uses": 100, "expires_at": "2030-12-31T23:59:59Z"}
    made = await client.post(COUPONS, json=body, headers=people.staff)
    assert made.status_code == 201, made.text
    coupon = made.json()
    assert set(coupon) == FIELDS
    shown = {name: coupon[name] for name in ("code", "value", "max_amount", "min_purchase", "categories", "expires_at")}
    assert shown == {
        "code": "VERANO20",
        "value": "20.00",
        "max_amount": "5000.00",
        "min_purchase": "1000.00",
        "categories": [category.id],
        "expires_at": "2030-12-31T23:59:59Z",
    }
    assert (coupon["used"], coupon["is_valid"], coupon["is_expired"], coupon["usages"]) == (0, True, False, [])
    path = f"{COUPONS}{coupon['id']}/"
    assert (await client.get(path, headers=people.staff)).json() == coupon
    changed = await client.patch(path, json={"active": False, "categories": []}, headers=people.staff)
    assert (changed.status_code, changed.json()["is_valid"], changed.json()["categories"]) == (200, False, [])
    whole = await client.put(path, json={"code": "otro", "type": "fixed", "value": 500}, headers=people.staff)
    assert (whole.status_code, whole.json()["code"], whole.json()["type"], whole.json()["value"]) == (
        200,
        "OTRO",
        "fixed",
        "500.00",
    )
    assert (await client.put(path, json={"code": "x"}, headers=people.staff)).status_code == 400
    gone = await client.delete(path, headers=people.staff)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await client.get(path, headers=people.staff)).status_code == 404
    log = await db.execute(text("SELECT action, content_type FROM activity_log ORDER BY id"))
    assert [tuple(row) for row in log] == [(each, "coupon") for each in ("create", "update", "update", "delete")]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"value": "-50000"}, "value"),
        ({"value": "0"}, "value"),
        ({"value": "150"}, "value"),
        ({"value": "10.001"}, "value"),
        ({"type": "gift"}, "type"),
        ({"code": ""}, "code"),
        ({"code": "c" * 51}, "code"),
        ({"code": "ß" * 26}, "code"),
        ({"code": "TAKEN"}, "code"),
        ({"code": "taken"}, "code"),
        ({"max_uses": -1}, "max_uses"),
        ({"max_uses_per_user": 0}, "max_uses_per_user"),
        ({"min_purchase": "-1"}, "min_purchase"),
        ({"max_amount": "-1"}, "max_amount"),
        ({"categories": [999_999_999]}, "categories"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"active": "perhaps"}, "active"),
    ],
)
async def test_what_is_no_coupon(
    client: httpx.AsyncClient, db: AsyncSession, people: People, change: dict[str, Any], field: str
) -> None:
    other = await make_coupon(db, code="TAKEN")
    good = {"code": "GOOD", "type": "percentage", "value": "10"}
    refused = await client.post(COUPONS, json=good | change, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, [field])
    coupon = await make_coupon(db)
    refused = await client.patch(f"{COUPONS}{coupon.id}/", json=change, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, [field])
    listed = (await client.get(COUPONS, headers=people.staff)).json()
    assert {row["id"] for row in listed["results"]} == {str(other.id), str(coupon.id)}


async def test_a_type_that_the_value_does_not_fit(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    coupon = await make_coupon(db, type="fixed", value=D(500))
    refused = await client.patch(f"{COUPONS}{coupon.id}/", json={"type": "percentage"}, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, ["value"])


async def test_max_uses_is_never_below_the_uses(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    coupon = await make_coupon(db, max_uses=5)
    for _ in range(2):
        await CouponService(db).take(coupon.id, await make_plain_order(db), people.shopper_id, D(1))
    await db.commit()
    path = f"{COUPONS}{coupon.id}/"
    refused = await client.patch(path, json={"max_uses": 1}, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, ["max_uses"])
    done = await client.patch(path, json={"max_uses": 2}, headers=people.staff)
    assert (done.status_code, done.json()["used"], done.json()["is_valid"]) == (200, 2, False)


async def test_lists_filters_and_usages(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    first, second = await make_coupon(db), await make_coupon(db, active=False)
    order_id = await make_plain_order(db, people.shopper_id)
    await CouponService(db).take(first.id, order_id, people.shopper_id, D(500), purchase_amount=D(5000))
    await db.commit()
    page = (await client.get(COUPONS, headers=people.staff)).json()
    assert (page["count"], [row["id"] for row in page["results"]]) == (2, [str(second.id), str(first.id)])
    (use,) = page["results"][1]["usages"]
    assert (use["order"], use["user"], use["coupon"]) == (order_id, people.shopper_id, str(first.id))
    assert (use["purchase_amount"], use["discount_amount"]) == ("5000.00", "500.00")
    assert "@" in use["user_email"]
    for query, expected in (("?active=true", [first]), ("?active=0", [second]), ("?page_size=1&page=2", [first])):
        page = (await client.get(COUPONS + query, headers=people.staff)).json()
        assert [row["id"] for row in page["results"]] == [str(each.id) for each in expected]
    assert (await client.get(f"{COUPONS}?active=perhaps", headers=people.staff)).status_code == 400
    uses = await client.get(f"{COUPONS}{first.id}/usages/", headers=people.staff)
    assert (uses.status_code, uses.json()) == (200, [use])
    for bad in (uuid4(), "1", "x"):
        assert (await client.get(f"{COUPONS}{bad}/usages/", headers=people.staff)).status_code == 404
    assert (await client.get(f"{COUPONS}{first.id}/usages/", headers=people.shopper)).status_code == 403


async def ask(client: httpx.AsyncClient, people: People, **body: Any) -> tuple[int, Any]:
    answer = await client.post(f"{COUPONS}validate/", json=body, headers=people.shopper)
    return answer.status_code, answer.json()


async def test_validate(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    coupon = await make_coupon(db, code="DESCUENTO20", value=D(20), max_amount=D(5000), min_purchase=D(1000))
    product = await make_product(db, price=D(2500))
    products = [{"product_id": product.id, "quantity": 2}]
    status, answer = await ask(client, people, code="descuento20", purchase_amount="5000.00", products=products)
    assert status == 200, answer
    assert set(answer) == {"valid", "coupon", "calculated_discount", "eligible_products", "discount_base"}
    assert (answer["valid"], answer["calculated_discount"], answer["discount_base"]) == (True, 1000.0, 5000.0)
    assert (answer["coupon"]["id"], answer["coupon"]["usages"]) == (str(coupon.id), [])
    assert answer["eligible_products"] == [
        {"product_id": product.id, "name": product.name, "quantity": 2, "price": "2500.00", "subtotal": "5000.00"}
    ]
    status, answer = await ask(client, people, code="DESCUENTO20", purchase_amount=40000)
    assert (status, answer["calculated_discount"], answer["eligible_products"]) == (200, 5000.0, [])
    assert (await ask(client, people, code="DESCUENTO20", purchase_amount="1000"))[0] == 200


async def test_validate_for_some_categories(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    top = await make_category(db)
    inside = await make_product(db, category=await make_category(db, parent_id=top.id), price=D(1000), discount=D(10))
    outside = await make_product(db, price=D(7000))
    await make_coupon(db, code="TOP", value=D(10), categories=[top])
    lines = [{"product_id": each.id, "quantity": 1} for each in (inside, outside)]
    status, answer = await ask(client, people, code="TOP", purchase_amount="99999.00", products=lines)
    assert (status, answer["discount_base"], answer["calculated_discount"]) == (200, 900.0, 90.0)
    assert [each["product_id"] for each in answer["eligible_products"]] == [inside.id]
    for products in (None, [], lines[1:]):
        status, answer = await ask(client, people, code="TOP", purchase_amount="10", products=products)
        assert (status, answer["valid"], isinstance(answer["error"], str)) == (400, False, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"active": False},
        {"expires_at": "now"},
        {"max_uses": 0},
        {"min_purchase": D("5000.01")},
        {"code": "OTHER"},
    ],
)
async def test_validate_says_no(
    client: httpx.AsyncClient, db: AsyncSession, people: People, fields: dict[str, Any]
) -> None:
    if "expires_at" in fields:
        fields = {"expires_at": (await db.execute(text("SELECT now()"))).scalar_one()}
    await make_coupon(db, **({"code": "CODE"} | fields))
    status, answer = await ask(client, people, code="CODE", purchase_amount="5000")
    assert (status, answer["valid"], isinstance(answer["error"], str)) == (400, False, True)
    assert (await ask(client, people, purchase_amount="x"))[0] == 400


async def apply(client: httpx.AsyncClient, headers: dict[str, str], coupon: Any, order_id: int) -> tuple[int, Any]:
    body = {"order_id": order_id, "purchase_amount": "1.00", "discount_amount": "999999.00"}
    answer = await client.post(f"{COUPONS}{coupon.id}/apply/", json=body, headers=headers)
    return answer.status_code, answer.json()


async def ordered(client: httpx.AsyncClient, people: People, *lines: tuple[Any, int], **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"recipient_name": "Ana", "customer_email": "ana@example.com", "delivery_type": "pickup"}
    body["products_data"] = [{"product_id": product.id, "quantity": units} for product, units in lines]
    answer = await client.post("/api/orders/", json=body | fields, headers=people.shopper)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_apply_takes_a_use_at_the_servers_price_once(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db, price=D(1000), stock=50)
    await make_bulk(db, products=[product])
    coupon, other = await make_coupon(db, value=D(10), max_uses=1), await make_coupon(db)
    order = await ordered(client, people, (product, 3))
    assert order["total"] == "2000.00"
    for _ in range(2):
        status, answer = await apply(client, people.shopper, coupon, order["id"])
        assert (status, answer["used"], answer["usage"]["order"]) == (200, 1, order["id"])
        assert (answer["usage"]["discount_amount"], answer["usage"]["purchase_amount"]) == ("200.00", "3000.00")
    shown = (await client.get(f"/api/orders/{order['id']}/", headers=people.shopper)).json()
    assert (shown["discount"], shown["total"], shown["coupon"]) == ("200.00", "1800.00", str(coupon.id))
    assert shown["coupon_details"]["code"] == coupon.code
    assert (await apply(client, people.shopper, other, order["id"]))[0] == 400
    second = await ordered(client, people, (product, 1))
    status, answer = await apply(client, people.shopper, coupon, second["id"])
    assert (status, answer["code"]) == (409, "coupon_exhausted")
    assert (await apply(client, people.owner, other, second["id"]))[0] == 404
    assert (await apply(client, people.shopper, other, 999_999_999))[0] == 404
    await client.post(f"/api/orders/{order['id']}/cancel/", headers=people.shopper)
    status, answer = await apply(client, people.shopper, coupon, order["id"])
    assert (status, answer["code"]) == (400, "coupon_not_allowed")
    await client.post(f"/api/orders/{second['id']}/cancel/", headers=people.shopper)
    status, answer = await apply(client, people.shopper, other, second["id"])
    assert (status, list(answer)) == (400, ["error", "code"])


async def test_an_order_with_a_coupon_bears_its_use(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db, price=D(1000), stock=50)
    await make_offer(db, product, discount=D(25))
    coupon = await make_coupon(db, code="UNO", value=D(20), max_uses=1)
    order = await ordered(client, people, (product, 2), coupon_code="uno")
    assert (order["subtotal"], order["discount"], order["total"]) == ("1500.00", "300.00", "1200.00")
    status, answer = await apply(client, people.shopper, coupon, order["id"])
    assert (status, answer["used"], answer["usage"]["discount_amount"]) == (200, 1, "300.00")
    body = {"recipient_name": "Ana", "customer_email": "ana@example.com", "delivery_type": "pickup"}
    body |= {"products_data": [{"product_id": product.id, "quantity": 1}], "coupon_code": "UNO"}  # type: ignore[dict-item]
    late = await client.post("/api/orders/", json=body, headers=people.owner)
    assert (late.status_code, late.json()["code"]) == (409, "coupon_exhausted")
    assert (await client.post(f"/api/orders/{order['id']}/cancel/", headers=people.shopper)).status_code == 200
    again = await client.post("/api/orders/", json=body, headers=people.owner)
    assert (again.status_code, again.json()["discount"]) == (201, "150.00")


async def test_a_coupon_that_pays_everything_pays_the_order(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product, coupon = await make_product(db, price=D(1000)), await make_coupon(db, type="fixed", value=D(7000))
    order = await ordered(client, people, (product, 1))
    status, answer = await apply(client, people.shopper, coupon, order["id"])
    assert (status, answer["usage"]["discount_amount"]) == (200, "1000.00")
    shown = (await client.get(f"/api/orders/{order['id']}/", headers=people.shopper)).json()
    assert (shown["total"], shown["status"]) == ("0.00", "paid")
