"""Whoever logs in takes the visitor's cart along: once, capped by the stock, and never somebody else's."""

import asyncio
from typing import Any
from uuid import UUID, uuid1, uuid4

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User, VerificationCode
from app.domain.accounts.service.codes import CodeService
from app.settings import Settings
from tests.carts.visiting import CUSTOMER, PUBLIC, Json, line, put, row_of, see, silent_for
from tests.factories import PASSWORD, make_user
from tests.factories_catalog import make_product
from tests.shop import People

LOGIN = "/api/auth/login/"


async def login(client: httpx.AsyncClient, user: User, cart: Any) -> Json:
    body = {"username": user.username, "password": PASSWORD, "anonymous_cart_id": cart}
    answer = await client.post(LOGIN, json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def cart_of(client: httpx.AsyncClient, *lines: Json, customer: Any = None) -> tuple[int, str]:
    answer = (await put(client, *lines, customer=customer)).json()
    return answer["cart_id"], answer["anonymous_id"]


def units(cart: Json) -> dict[int, int]:
    return {each["product_id"]: each["quantity"] for each in cart["products"]}


async def test_the_cart_becomes_the_users(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    user = await make_user(db, first_name="Ana", last_name="Paz", email="ana@example.com")
    cart_id, anonymous_id = await cart_of(client, line(await make_product(db), 2))
    answer = await login(client, user, anonymous_id)
    assert (answer["cart_linked"], answer["cart_id"]) == (True, cart_id)
    cart = await see(client, cart_id, people.staff)
    assert (cart["user"], cart["status"], cart["items_count"]) == (user.id, "active", 2)
    # What the visitor did not say is known from the account, to staff alone.
    assert (cart["customer_email"], cart["customer"]) == ("ana@example.com", "Ana Paz (ana@example.com)")
    public = (await client.get(f"{PUBLIC}{anonymous_id}/")).json()["cart"]
    assert (public["customer_email"], public["customer_phone"], public["customer"]) == ("", "", "Ana Paz")


async def test_an_older_cart_is_taken_over(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    user = await make_user(db)
    both, rare, other = await make_product(db, stock=10), await make_product(db, stock=3), await make_product(db)
    older, older_id = await cart_of(client, line(both, 2), line(rare, 2), line(other, 1))
    newer, newer_id = await cart_of(client, line(both, 1), line(rare, 2))
    assert (await login(client, user, older_id))["cart_id"] == older
    answer = await login(client, user, newer_id)
    assert (answer["cart_linked"], answer["cart_id"]) == (True, newer)
    cart = await see(client, newer, people.staff)
    assert units(cart) == {both.id: 3, rare.id: 3, other.id: 1}
    assert (cart["total"], cart["items_count"]) == ("10500.00", 7)
    assert (await row_of(db, newer))["total"] == 10_500
    assert (await see(client, older, people.staff))["status"] == "expired"
    # Once more changes nothing.
    assert (await login(client, user, newer_id))["cart_id"] == newer
    assert units(await see(client, newer, people.staff)) == units(cart)
    assert (await login(client, user, older_id))["cart_linked"] is False


async def test_units_of_options_are_capped_each(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    user = await make_user(db)
    shirt = await make_product(
        db, stock=0, options={"Color": [("Rojo", 5, "0"), ("Azul", 0, "0")], "Talle": [("S", 2, "0"), ("M", 9, "0")]}
    )
    red_s, red_m = {"Color": "Rojo", "Talle": "S"}, {"Talle": "M", "Color": "Rojo"}
    _, older_id = await cart_of(
        client,
        *(line(shirt, 4, variants=red_s), line(shirt, 4, variants=red_m)),
        line(shirt, 1, variants={"Color": "Azul", "Talle": "M"}),
    )
    newer, newer_id = await cart_of(client, line(shirt, 3, variants={"Color": "Rojo", "Talle": "M"}))
    await login(client, user, older_id)
    await login(client, user, newer_id)
    cart = await see(client, newer, people.staff)
    assert [(each["variants"]["Talle"], each["quantity"]) for each in cart["products"]] == [("M", 5), ("S", 2)]


@pytest.mark.parametrize("was", ["abandoned", "silent"])
async def test_an_abandoned_cart_is_taken_over_too(
    client: httpx.AsyncClient, db: AsyncSession, people: People, was: str
) -> None:
    user, product = await make_user(db), await make_product(db)
    older, older_id = await cart_of(client, line(product, 2))
    await login(client, user, older_id)
    await silent_for(db, older, "8 hours")
    if was == "abandoned":
        await client.post("/api/orders/abandoned-carts/identify/", headers=people.staff)
    newer, newer_id = await cart_of(client, line(product, 1))
    await login(client, user, newer_id)
    assert units(await see(client, newer, people.staff)) == {product.id: 3}
    assert (await see(client, older, people.staff))["status"] == "expired"


async def test_what_was_left_is_active_again(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    user = await make_user(db)
    cart_id, anonymous_id = await cart_of(client, line(await make_product(db)))
    await silent_for(db, cart_id, "8 hours")
    await client.post("/api/orders/abandoned-carts/identify/", headers=people.staff)
    await login(client, user, anonymous_id)
    cart = await see(client, cart_id, people.staff)
    assert (cart["status"], cart["abandoned_at"]) == ("active", None)


async def test_somebody_elses_cart_is_never_adopted(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    owner, thief = await make_user(db), await make_user(db)
    product = await make_product(db)
    cart_id, anonymous_id = await cart_of(client, line(product), customer=CUSTOMER)
    await login(client, owner, anonymous_id)
    own, own_id = await cart_of(client, line(product, 5))
    await login(client, thief, own_id)
    before, before_own = await row_of(db, cart_id), await row_of(db, own)
    answer = await login(client, thief, anonymous_id)
    assert (answer["cart_linked"], answer["cart_id"]) == (False, None)
    assert (await row_of(db, cart_id), await row_of(db, own)) == (before, before_own)
    assert (await see(client, cart_id, people.staff))["user"] == owner.id


@pytest.mark.parametrize("was", ["converted", "expired", "stale", "unknown", "guessable"])
async def test_what_is_over_or_unknown_is_not_linked(client: httpx.AsyncClient, db: AsyncSession, was: str) -> None:
    user = await make_user(db)
    cart_id, anonymous_id = await cart_of(client, line(await make_product(db)))
    if was == "converted":
        await db.execute(text("UPDATE cart SET status = 'converted', converted_order_id = 7"))
    elif was == "expired":
        await db.execute(text("UPDATE cart SET status = 'expired'"))
    elif was == "stale":
        await silent_for(db, cart_id, "31 days")
    before = await row_of(db, cart_id)
    sent: str | UUID = {"unknown": uuid4(), "guessable": uuid1()}.get(was, anonymous_id)
    answer = await login(client, user, str(sent))
    assert (answer["cart_linked"], answer["cart_id"]) == (False, None)
    assert await row_of(db, cart_id) == before


async def test_two_logins_at_once_link_once(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    for _ in range(3):
        user = await make_user(db)
        both, other = await make_product(db, stock=100), await make_product(db)
        older, older_id = await cart_of(client, line(both, 2), line(other, 1))
        newer, newer_id = await cart_of(client, line(both, 1))
        await login(client, user, older_id)
        answers = await asyncio.gather(*(login(client, user, newer_id) for _ in range(3)))
        assert {(answer["cart_linked"], answer["cart_id"]) for answer in answers} == {(True, newer)}
        assert units(await see(client, newer, people.staff)) == {both.id: 3, other.id: 1}
        assert (await row_of(db, older))["status"] == "expired"


async def test_two_carts_linked_at_once_end_as_one(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    for _ in range(3):
        user, product = await make_user(db), await make_product(db, stock=100)
        carts = [await cart_of(client, line(product, 1)) for _ in range(3)]
        await asyncio.gather(*(login(client, user, anonymous_id) for _, anonymous_id in carts))
        rows = [await row_of(db, cart_id) for cart_id, _ in carts]
        (last,) = [row for row in rows if row["status"] == "active"]
        assert sorted(row["status"] for row in rows) == ["active", "expired", "expired"]
        assert units(await see(client, last["id"], people.staff)) == {product.id: 3}


async def test_two_users_at_once_make_one_owner(client: httpx.AsyncClient, db: AsyncSession) -> None:
    first, second = await make_user(db), await make_user(db)
    cart_id, anonymous_id = await cart_of(client, line(await make_product(db)))
    answers = await asyncio.gather(*(login(client, user, anonymous_id) for user in (first, second)))
    winners = [answer["user"]["id"] for answer in answers if answer["cart_linked"]]
    assert [(await row_of(db, cart_id))["user_id"]] == winners


async def test_a_verified_address_links_it_too(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, people: People
) -> None:
    user = await make_user(db, email="ana@example.com", is_active=False, email_verified=False)
    codes = CodeService(db, settings)
    await codes.issue(user.id, "EMAIL_VERIFICATION", user.email)
    code_id = (await db.execute(select(VerificationCode.id))).scalar_one()
    found = await codes.reveal(code_id)
    await db.commit()
    assert found is not None
    cart_id, anonymous_id = await cart_of(client, line(await make_product(db)))
    body = {"email": user.email, "code": found.code, "anonymous_cart_id": anonymous_id}
    answer = await client.post("/api/auth/verify-email/", json=body)
    assert (answer.status_code, answer.json()["cart_linked"], answer.json()["cart_id"]) == (200, True, cart_id)
    assert (await see(client, cart_id, people.staff))["user"] == user.id
