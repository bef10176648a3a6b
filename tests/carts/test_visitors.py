"""A visitor's cart over HTTP."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from tests.carts.visiting import CARTS, CUSTOMER, PUBLIC, line, put, row_of, see
from tests.factories_catalog import make_product
from tests.shop import People

KEYS = [
    *("id", "user", "anonymous_id", "status", "customer_name", "customer_email", "customer_phone", "subtotal"),
    *("discount", "total", "created_at", "last_activity", "abandoned_at", "recovered_at", "products"),
    *("coupon_details", "customer", "items_count", "time_abandoned"),
]
DETAILS = {
    *("id", "name", "image", "volume", "dimensions", "currency", "has_special_promotion", "special_promotion_name"),
}


async def count(db: AsyncSession) -> tuple[int, int]:
    await db.commit()
    found = await db.execute(text("SELECT (SELECT count(*) FROM cart), (SELECT count(*) FROM cart_item)"))
    carts, items = found.one()
    return carts, items


async def test_a_cart_is_stored_and_read(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    soil, lamp = await make_product(db), await make_product(db, price=Decimal("800.50"))
    anonymous_id = str(uuid4())
    lines = line(soil, 2, price="0.01"), line(lamp, 1, variants={}, variants_label="")
    answer = await put(client, *lines, anonymous_id=anonymous_id, customer=CUSTOMER)
    assert answer.status_code == 200
    body = answer.json()
    assert body == {
        "anonymous_id": anonymous_id,
        "cart_id": body["cart_id"],
        "success": True,
        "message": "Carrito temporal actualizado",
        "status": "success",
    }
    read = await client.get(f"{PUBLIC}{anonymous_id}/")
    assert (read.status_code, read.json()["success"], read.json()["status"]) == (200, True, "success")
    cart = read.json()["cart"]
    assert list(cart) == KEYS
    assert (cart["id"], cart["user"], cart["anonymous_id"], cart["status"]) == (
        *(body["cart_id"], None, anonymous_id),
        "active",
    )
    assert (cart["subtotal"], cart["discount"], cart["total"], cart["items_count"]) == ("3800.50", "0.00", "3800.50", 3)
    assert (cart["abandoned_at"], cart["recovered_at"], cart["coupon_details"], cart["time_abandoned"]) == (
        *(None, None, None),
        "",
    )
    assert (cart["customer_name"], cart["customer_email"], cart["customer_phone"], cart["customer"]) == (
        *("Ana Paz", "a***@example.com", "***34"),
        "Ana Paz (a***@example.com)",
    )
    first, second = cart["products"]
    assert (first["product_id"], first["quantity"], first["price_at_time"]) == (soil.id, 2, "1500.00")
    assert (second["product_id"], second["quantity"], second["price_at_time"]) == (lamp.id, 1, "800.50")
    assert (second["variants"], second["variants_label"], set(second["product_details"])) == (None, "", DETAILS)
    staff = await see(client, body["cart_id"], people.staff)
    assert (staff["customer_email"], staff["customer_phone"]) == (CUSTOMER["email"], CUSTOMER["phone"])
    assert staff["customer"] == "Ana Paz (ana@example.com)"
    assert staff["products"] == cart["products"]


async def test_the_same_id_is_the_same_cart(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    soil, lamp = await make_product(db), await make_product(db)
    anonymous_id = uuid4()
    first = await put(client, line(soil, 2), anonymous_id=anonymous_id, customer=CUSTOMER)
    before = await row_of(db, first.json()["cart_id"])
    again = await put(client, line(lamp), anonymous_id=str(anonymous_id).upper(), customer={"phone": ""})
    assert (again.json()["cart_id"], again.json()["anonymous_id"]) == (first.json()["cart_id"], str(anonymous_id))
    cart = await see(client, first.json()["cart_id"], people.staff)
    assert [each["product_id"] for each in cart["products"]] == [lamp.id]
    # Who the customer is stays, but for what is said anew.
    assert (cart["customer_name"], cart["customer_email"], cart["customer_phone"]) == ("Ana Paz", "ana@example.com", "")
    after = await row_of(db, first.json()["cart_id"])
    assert after["last_activity"] > before["last_activity"]
    assert after["created_at"] == before["created_at"]


async def test_the_same_product_twice_is_two_lines(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db)
    answer = await put(client, line(product), line(product, 2))
    cart = (await client.get(f"{PUBLIC}{answer.json()['anonymous_id']}/")).json()["cart"]
    assert [each["quantity"] for each in cart["products"]] == [1, 2]
    assert (cart["items_count"], cart["total"]) == (3, "4500.00")


async def test_an_empty_cart_is_emptied(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product, anonymous_id = await make_product(db), uuid4()
    await put(client, line(product), anonymous_id=anonymous_id)
    assert (await put(client, anonymous_id=anonymous_id)).status_code == 200
    cart = (await client.get(f"{PUBLIC}{anonymous_id}/")).json()["cart"]
    assert (cart["products"], cart["subtotal"], cart["total"], cart["items_count"]) == ([], "0.00", "0.00", 0)


async def test_products_that_are_not_for_sale_are_left_out(client: httpx.AsyncClient, db: AsyncSession) -> None:
    soil, hidden = await make_product(db), await make_product(db, is_available=False)
    answer = await put(client, line(999_999_999), line(soil), line(hidden))
    assert answer.status_code == 200
    cart = (await client.get(f"{PUBLIC}{answer.json()['anonymous_id']}/")).json()["cart"]
    assert [each["product_id"] for each in cart["products"]] == [soil.id]
    assert await count(db) == (1, 1)
    refused = await put(client, line(999_999_999), line(hidden))
    assert refused.status_code == 400
    assert refused.json() == {
        "success": False,
        "error": "items: Ninguno de los productos está a la venta",
        "status": "error",
    }
    assert await count(db) == (1, 1)


@pytest.mark.parametrize(
    "bad",
    [None, "", "x", 5, [], {}, True, "6f1c2b34-e62b-11f0-8000-02fc00000001", "f" * 10_000, "a\0b", str(UUID(int=0))],
)
async def test_only_a_random_uuid_is_an_id(client: httpx.AsyncClient, db: AsyncSession, bad: Any) -> None:
    product = await make_product(db)
    answer = await client.post(PUBLIC, json={"anonymous_id": bad, "items": [line(product)]})
    assert answer.status_code == 400
    assert set(answer.json()) == {"success", "error", "status"}
    assert (answer.json()["success"], answer.json()["status"]) == (False, "error")
    assert answer.json()["error"].startswith("anonymous_id: ")
    assert await count(db) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"items": None},
        {"items": "x"},
        {"items": [7]},
        {"items": [{"product_id": 1}]},
        {"items": [{"quantity": 1}]},
        {"items": [{"product_id": 1, "quantity": 0}]},
        {"items": [{"product_id": 1, "quantity": -1}]},
        {"items": [{"product_id": 1, "quantity": 2**31}]},
        {"items": [{"product_id": 2**63, "quantity": 1}]},
        {"items": [{"product_id": 1, "quantity": 1.5}]},
        {"items": [{"product_id": 1, "quantity": 1, "variants": [1]}]},
        {"items": [{"product_id": 1, "quantity": 1, "variants": {"Color": {"a": 1}}}]},
        {"items": [{"product_id": 1, "quantity": 1, "variants": {"Color": "\0"}}]},
        {"items": [{"product_id": 1, "quantity": 1, "variants_label": "x" * 201}]},
        {"items": [{"product_id": 1, "quantity": 1}] * 101},
        {"customer_info": "x"},
        {"customer_info": {"email": "nobody"}},
        {"customer_info": {"name": "x" * 101}},
        {"customer_info": {"phone": "1" * 31}},
        {"customer_info": {"name": None}},
    ],
)
async def test_wrong_bodies_are_refused_in_the_carts_form(
    client: httpx.AsyncClient, db: AsyncSession, change: dict[str, Any]
) -> None:
    body = {"anonymous_id": str(uuid4()), "items": []} | change
    answer = await client.post(PUBLIC, json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"success", "error", "status"}
    assert answer.json()["error"].startswith(f"{next(iter(change))}: ")
    assert await count(db) == (0, 0)


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b"null"])
async def test_a_body_that_is_no_object_is_refused_so_too(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post(PUBLIC, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"success", "error", "status"}


@pytest.mark.parametrize(
    "bad", ["x", "6f1c2b34-0000-4000-8000-000000000000", "6f1c2b34-e62b-11f0-8000-02fc00000001", "%00", "f" * 5000]
)
async def test_an_unknown_cart_is_not_found(client: httpx.AsyncClient, bad: str) -> None:
    answer = await client.get(f"{PUBLIC}{bad}/")
    assert answer.status_code == 404
    assert answer.json() == {
        "success": False,
        "error": "No existe un carrito con ese identificador",
        "status": "error",
    }


async def test_an_id_is_generated(client: httpx.AsyncClient) -> None:
    answers = [await client.post(f"{CARTS}public/generate-id/") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    first, second = (answer.json() for answer in answers)
    assert (first["success"], first["status"], set(first)) == (True, "success", {"success", "anonymous_id", "status"})
    assert UUID(first["anonymous_id"]).version == 4
    assert first["anonymous_id"] != second["anonymous_id"]


async def test_an_open_cart_is_shown_at_todays_prices(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db)
    answer = (await put(client, line(product, 2))).json()
    await db.execute(update(Product).where(Product.id == product.id).values(price=Decimal("2000.00"), discount=10))
    await db.commit()
    cart = await see(client, answer["cart_id"], people.staff)
    assert (cart["products"][0]["price_at_time"], cart["total"]) == ("1800.00", "3600.00")
    # Looking writes nothing.
    assert (await row_of(db, answer["cart_id"]))["total"] == Decimal("3000.00")


@pytest.mark.parametrize("was", ["recovered", "converted", "expired", "abandoned"])
async def test_a_cart_that_ended_starts_again(
    client: httpx.AsyncClient, db: AsyncSession, people: People, was: str
) -> None:
    soil, lamp = await make_product(db), await make_product(db)
    first = (await put(client, line(soil))).json()
    order = "7" if was == "converted" else "NULL"
    times = "abandoned_at = now(), recovered_at = now()"
    await db.execute(text(f"UPDATE cart SET status = '{was}', converted_order_id = {order}, {times}"))
    await db.commit()
    again = (await put(client, line(lamp), anonymous_id=first["anonymous_id"])).json()
    assert again["cart_id"] == first["cart_id"]
    row = await row_of(db, first["cart_id"])
    assert (row["status"], row["converted_order_id"], row["abandoned_at"], row["recovered_at"]) == (
        *("active", None, None),
        None,
    )
    cart = await see(client, first["cart_id"], people.staff)
    assert [each["product_id"] for each in cart["products"]] == [lamp.id]


async def test_a_converted_cart_is_not_public(client: httpx.AsyncClient, db: AsyncSession) -> None:
    answer = (await put(client, line(await make_product(db)), customer=CUSTOMER)).json()
    await db.execute(text("UPDATE cart SET status = 'converted', converted_order_id = 7"))
    await db.commit()
    assert (await client.get(f"{PUBLIC}{answer['anonymous_id']}/")).status_code == 404


async def test_a_users_cart_is_read_without_address_and_telephone(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    answer = (await put(client, line(await make_product(db)), customer=CUSTOMER)).json()
    await db.execute(text("UPDATE cart SET user_id = :user"), {"user": people.shopper_id})
    await db.commit()
    cart = (await client.get(f"{PUBLIC}{answer['anonymous_id']}/")).json()["cart"]
    assert (cart["user"], cart["customer_email"], cart["customer_phone"], cart["customer"]) == (
        *(people.shopper_id, "", ""),
        "Ana Paz",
    )


async def test_many_tabs_write_one_cart(client: httpx.AsyncClient, db: AsyncSession) -> None:
    products = [await make_product(db) for _ in range(4)]
    anonymous_id = uuid4()
    answers = await asyncio.gather(
        *(put(client, line(product), line(product, 2), anonymous_id=anonymous_id) for product in products * 3)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["cart_id"] for answer in answers}) == 1
    cart = (await client.get(f"{PUBLIC}{anonymous_id}/")).json()["cart"]
    # One tab's lines as a whole, whichever came last.
    assert [each["quantity"] for each in cart["products"]] == [1, 2]
    assert len({each["product_id"] for each in cart["products"]}) == 1
    assert await count(db) == (1, 2)


async def test_huge_sums_are_shown(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db, price=Decimal("99999999.99"))
    answer = await put(client, *(line(product, 2**31 - 1) for _ in range(3)))
    assert answer.status_code == 200
    cart = (await client.get(f"{PUBLIC}{answer.json()['anonymous_id']}/")).json()["cart"]
    assert cart["total"] == "644245094035575490.59"
