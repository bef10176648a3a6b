"""Customers as staff read them: the list, what they bought, the search, their orders."""

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.domain.orders.models import OrderItem
from app.settings import Settings
from tests.customers.conftest import CUSTOMERS, NOON, MakeOrder
from tests.factories import bearer, make_staff, make_user
from tests.factories_catalog import make_product
from tests.factories_marketing import make_coupon

Headers = dict[str, str]
RED = {"Color": "Rojo"}


async def listed(client: httpx.AsyncClient, staff: Headers, query: str = "") -> dict[str, Any]:
    answer = await client.get(CUSTOMERS + query, headers=staff)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def names(client: httpx.AsyncClient, staff: Headers, **params: str) -> list[str]:
    answer = await client.get(CUSTOMERS, headers=staff, params=params)
    return [each["username"] for each in answer.json()["results"]]


async def test_a_customer_is_shown_whole(client: httpx.AsyncClient, db: AsyncSession, staff: Headers) -> None:
    user = await make_user(
        db, username="ana", email="ana@example.com", dni="30111222", admin_notes="paga tarde", date_joined=NOON
    )
    expected = {
        "id": user.id,
        "username": "ana",
        "email": "ana@example.com",
        "dni": "30111222",
        "name": "Ana Prueba",
        "date_joined": "2026-03-01T12:00:00Z",
        "total_orders": 0,
        "total_spent": "0.00",
        "last_purchase": None,
        "is_active": True,
        "admin_notes": "paga tarde",
    }
    assert await listed(client, staff) == {"count": 1, "next": None, "previous": None, "results": [expected]}
    one = await client.get(f"{CUSTOMERS}{user.id}/", headers=staff)
    assert (one.status_code, one.json()) == (200, expected)


@pytest.mark.parametrize("names_", [("Ana", "", "Ana"), ("", "Paz", "Paz"), ("", "", ""), ("Ana", "Paz", "Ana Paz")])
async def test_a_name_is_joined_by_a_space(
    client: httpx.AsyncClient, db: AsyncSession, staff: Headers, names_: tuple[str, str, str]
) -> None:
    first, last, name = names_
    await make_user(db, first_name=first, last_name=last)
    assert (await listed(client, staff))["results"][0]["name"] == name


async def test_what_counts_and_what_was_spent(
    client: httpx.AsyncClient, db: AsyncSession, staff: Headers, make_order: MakeOrder
) -> None:
    user, other = await make_user(db), await make_user(db)
    spent = [("paid", None, "1.00"), ("shipped", None, "10.50"), ("archived", "paid", "100.00")]
    spent += [("archived", "pending", "0.02"), ("archived", None, "0.03")]
    counted = [("pending", None, "1000.00"), ("payment_pending", None, "1000.00"), ("cancelled", None, "1000.00")]
    counted += [("archived", "cancelled", "1000.00"), ("archived", "abandoned", "1000.00")]
    for hours, (status, archived_from, total) in enumerate([*spent, ("archived", "shipped", "0.25"), *counted]):
        await make_order(user, total, hours, status=status, archived_from=archived_from)
    # Later than all others, and neither bought nor counted.
    await make_order(user, "5000.00", 50, status="abandoned")
    await make_order(user, "5000.00", 51, status="pending", is_temporary=True)
    await make_order(None, "7.00", 52)
    answer = await client.get(f"{CUSTOMERS}{user.id}/", headers=staff)
    found = answer.json()
    assert (found["total_orders"], found["total_spent"]) == (11, "111.80")
    assert found["last_purchase"] == "2026-03-01T22:00:00Z"
    untouched = (await client.get(f"{CUSTOMERS}{other.id}/", headers=staff)).json()
    assert (untouched["total_orders"], untouched["total_spent"], untouched["last_purchase"]) == (0, "0.00", None)


async def test_sums_go_beyond_a_single_order(
    client: httpx.AsyncClient, db: AsyncSession, staff: Headers, make_order: MakeOrder
) -> None:
    user = await make_user(db)
    for _ in range(3):
        await make_order(user, "99999999.99")
    assert (await client.get(f"{CUSTOMERS}{user.id}/", headers=staff)).json()["total_spent"] == "299999999.97"


async def test_staff_and_deleted_accounts_are_no_customers(
    client: httpx.AsyncClient, db: AsyncSession, staff: Headers, boss: User
) -> None:
    superuser = await make_user(db, is_superuser=True)
    gone = await make_user(db)
    await db.execute(update(User).where(User.id == gone.id).values(is_active=False, deleted_at=NOON))
    await db.commit()
    blocked = await make_user(db)
    await db.execute(update(User).where(User.id == blocked.id).values(is_active=False, blocked_at=NOON))
    await db.commit()
    assert [each["id"] for each in (await listed(client, staff))["results"]] == [blocked.id]
    for hidden in (boss, superuser, gone):
        for path in ("", "orders/"):
            answer = await client.get(f"{CUSTOMERS}{hidden.id}/{path}", headers=staff)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


async def test_pages_of_ten_newest_first(client: httpx.AsyncClient, db: AsyncSession, staff: Headers) -> None:
    users = [await make_user(db, date_joined=NOON) for _ in range(23)]
    newest = [user.id for user in reversed(users)]
    seen: list[int] = []
    page: dict[str, Any] = await listed(client, staff)
    assert (page["count"], page["previous"]) == (23, None)
    assert page["next"] == "http://testserver/api/auth/customers/?page=2"
    while True:
        seen += [each["id"] for each in page["results"]]
        if page["next"] is None:
            break
        page = await listed(client, staff, "?" + page["next"].partition("?")[2])
    assert seen == newest
    assert len((await listed(client, staff, "?page_size=50"))["results"]) == 23
    assert len((await listed(client, staff, "?page_size=0&search="))["results"]) == 10
    missing = await client.get(f"{CUSTOMERS}?page=4", headers=staff)
    assert (missing.status_code, missing.json()) == (404, {"detail": "Invalid page."})


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ANA", ["ana", "bea"]),
        ("example.com", ["bea", "ana"]),
        ("gómez", ["ana"]),
        ("maría", ["ana"]),
        ("maría gómez", ["ana"]),
        ("gómez maría", ["ana"]),
        ("maría ruiz", []),
        ("3011", ["ana"]),
        ("nobody", []),
        ("%", []),
        ("_", ["under_score"]),
        ("\\", []),
        ("r_s", ["under_score"]),
        ("' OR 1=1 --", []),
        ("x" * 5000, []),
    ],
)
async def test_search_is_contained_in_names_address_or_document(
    client: httpx.AsyncClient, db: AsyncSession, staff: Headers, search: str, found: list[str]
) -> None:
    people: list[dict[str, Any]] = [
        {"username": "under_score", "email": "u@x.org", "first_name": "", "last_name": "", "dni": ""},
        {"username": "ana", "email": "a@example.com", "first_name": "María", "last_name": "Gómez", "dni": "30111222"},
        {"username": "bea", "email": "b@EXAMPLE.com", "first_name": "Bea", "last_name": "Banana", "dni": "29000111"},
    ]
    for person in people:
        await make_user(db, date_joined=NOON, **person)
    assert sorted(await names(client, staff, search=search)) == sorted(found)


@pytest.mark.parametrize("query", ["?search=%00", "?search=a%00b"])
async def test_a_search_that_cannot_be_stored_is_refused(client: httpx.AsyncClient, staff: Headers, query: str) -> None:
    answer = await client.get(CUSTOMERS + query, headers=staff)
    assert (answer.status_code, list(answer.json())) == (400, ["search"])


async def test_orders_are_shown_whole_newest_first(
    client: httpx.AsyncClient, db: AsyncSession, staff: Headers, make_order: MakeOrder
) -> None:
    user, other = await make_user(db), await make_user(db)
    product = await make_product(db, name="Lámpara LED", image="products/1.jpg", volume="1 l", currency="USD")
    used = await make_coupon(db)
    coupon = used.id
    first = await make_order(user, "90.00", subtotal=Decimal(100), discount=Decimal(10), coupon_id=coupon)
    await make_order(other, "1.00", 1)
    second = await make_order(user, "5.00", 2, status="pending", is_temporary=True, anonymous_id="x")
    lines = [
        {"order_id": first.id, "product_id": product.id, "quantity": 2, "price": Decimal(50), "variants": None},
        {
            "order_id": first.id,
            "product_id": None,
            "quantity": 1,
            "price": Decimal("0.5"),
            "variants": {"Color": "Rojo"},
        },
    ]
    ids = [(await db.execute(insert(OrderItem).values(**line).returning(OrderItem.id))).scalar_one() for line in lines]
    await db.execute(text("UPDATE product SET deleted_at = now()"))
    await db.commit()
    answer = await client.get(f"{CUSTOMERS}{user.id}/orders/", headers=staff)
    assert answer.status_code == 200
    assert [each["id"] for each in answer.json()] == [second.id, first.id]
    shown = answer.json()[1]
    items, details = shown.pop("products"), shown.pop("coupon_details")
    assert (details["id"], details["code"], details["usages"]) == (str(coupon), used.code, [])
    assert shown.pop("updated_at").startswith(str(dt.datetime.now(dt.UTC).year))
    assert shown == {
        "id": first.id,
        "user": user.id,
        "store": None,
        "recipient_name": "Ana Paz",
        **dict.fromkeys(("customer_dni_cuit", "shipping_address", "shipping_street", "shipping_number"), ""),
        **dict.fromkeys(("shipping_neighborhood", "shipping_city", "shipping_postal_code", "customer_phone"), ""),
        "customer_email": "ana@example.com",
        "delivery_type": "delivery",
        "status": "paid",
        "subtotal": "100.00",
        "discount": "10.00",
        "bulk_promotion_discount": "0.00",
        "total": "90.00",
        "created_at": "2026-03-01T12:00:00Z",
        "shipping_notification_sent": False,
        "coupon": str(coupon),
        "is_temporary": False,
        "anonymous_id": None,
        "last_activity": None,
        "payment_method": "cash",
    }
    details = {
        "id": product.id,
        "name": "Lámpara LED",
        "image": "http://testserver/media/products/1.jpg",
        "volume": "1 l",
        "dimensions": "",
        "currency": "USD",
        "has_special_promotion": False,
        "special_promotion_name": None,
    }
    plain = {"variants": None, "variants_label": ""}
    assert items == [
        {"id": ids[0], "product_details": details, "quantity": 2, "price_at_time": "50.00"} | plain,
        {"id": ids[1], "product_details": None, "quantity": 1, "price_at_time": "0.50"} | plain | {"variants": RED},
    ]


async def test_a_customer_without_orders_has_an_empty_list(
    client: httpx.AsyncClient, db: AsyncSession, staff: Headers
) -> None:
    user = await make_user(db)
    answer = await client.get(f"{CUSTOMERS}{user.id}/orders/", headers=staff)
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("path", ["", "orders/", "block/", "unblock/"])
@pytest.mark.parametrize("who", ["nobody", "customer", "staff"])
async def test_only_staff_come_in_and_unknown_ids_are_404(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, path: str, who: str
) -> None:
    user = await make_user(db)
    headers = {"nobody": {}, "customer": bearer(settings, user), "staff": bearer(settings, await make_staff(db))}[who]
    method = "POST" if "block" in path else "GET"
    for number in (user.id + 1000, 2**53):
        answer = await client.request(method, f"{CUSTOMERS}{number}/{path}", headers=headers)
        assert answer.status_code == {"nobody": 401, "customer": 403, "staff": 404}[who]
    if who == "customer":
        own = await client.request(method, f"{CUSTOMERS}{user.id}/{path}", headers=headers)
        detail = {"detail": "You do not have permission to perform this action."}
        assert (own.status_code, own.json()) == (403, detail)
