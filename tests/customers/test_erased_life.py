"""A whole life in the shop over HTTP, and what the database still says of the person afterwards."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.carts.visiting import line, put
from tests.factories import PASSWORD, bearer, make_user
from tests.factories_catalog import make_product

SIGNS = ("zenobia", "paradela", "30987654", "5550-9876", "calle escondida", "token-of-zs-phone")
# Orders stay, with what is needed to bring them and to answer for them.
KEPT = {"orders"}
ERASED = {"activity_log", "cart", "device_token", "mail", "push_log", "review", "users", "verification_codes"}
TABLES = text("""
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public'
""")
MAIL = text("""
    INSERT INTO mail (kind, reference, recipient, user_id, subject, message_id)
    VALUES ('order_created', :order, 'zenobia@example.com', :user, 'Tu pedido', 'one@example.com')
""")
CONTACT = {
    "recipient_name": "Zenobia Paradela",
    "customer_email": "zenobia@example.com",
    "customer_phone": "11 5550-9876",
    "customer_dni_cuit": "30987654",
    "shipping_street": "Calle Escondida",
    "delivery_type": "pickup",
}


class Life:
    """One customer's requests."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.headers: dict[str, str] = {}

    async def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        answer = await self.client.request(method, url, json=body, headers=self.headers | headers)
        assert answer.status_code < 300, f"{url} {answer.text}"
        return answer.json() if answer.content else None


async def traces(db: AsyncSession) -> dict[str, list[str]]:
    """By table, which signs of the person its rows bear."""
    found = {}
    for name in sorted((await db.execute(TABLES)).scalars()):
        rows = (await db.execute(text(f'SELECT lower(t::text) FROM "{name}" t'))).scalars().all()
        if signs := [sign for sign in SIGNS if any(sign in row for row in rows)]:
            found[name] = signs
    await db.commit()
    return found


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    else:
        yield str(value)


@pytest.mark.parametrize("by", ["owner", "staff"])
async def test_a_life_leaves_its_orders_alone(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, staff: dict[str, str], by: str
) -> None:
    product = await make_product(db, stock=9, price=Decimal(100))
    user = await make_user(
        db, username="zenobia", email="zenobia@example.com", first_name="Zenobia", last_name="Paradela", dni="30987654"
    )
    life, anonymous_id = Life(client), uuid4()
    customer = {"name": "Zenobia Paradela", "email": "zenobia@example.com", "phone": "11 5550-9876"}
    await put(client, line(product, 1), anonymous_id=anonymous_id, customer=customer)
    login = {"username": "zenobia", "password": PASSWORD, "anonymous_cart_id": str(anonymous_id)}
    assert (await life.ask("POST", "/api/auth/login/", login))["cart_linked"] is True
    life.headers = bearer(settings, user)
    await life.ask("POST", "/api/notifications/register-token/", {"token": "token-of-zs-phone", "platform": "web"})
    await life.ask("POST", "/api/auth/request-password-reset/", {"email": "zenobia@example.com"})
    change = {"type": "EMAIL_CHANGE", "new_email": "paradela@example.com", "password": PASSWORD}
    await life.ask("POST", "/api/auth/verify-change/", change)
    await life.ask("POST", "/api/reviews/", {"product": product.id, "rating": 4, "comment": "Soy Zenobia"})
    bought = {"products_data": [line(product, 2)], "anonymous_id": str(anonymous_id), **CONTACT}
    order = await life.ask("POST", "/api/orders/", bought, **{"Idempotency-Key": "one-order"})
    await life.ask("PATCH", f"/api/orders/{order['id']}/", {"customer_phone": "11 5550-9876 y otro"})
    await put(client, line(product, 1), customer=None)
    await life.ask("POST", "/api/notifications/send-test/", {"title": "Hola Zenobia"})
    for change in ({"first_name": "Zenobia María"}, {"dni": "30.987654"}):
        answer = await client.patch(f"/api/auth/customers/{user.id}/", json=change, headers=staff)
        assert answer.status_code == 200, answer.text
    await db.execute(MAIL, {"order": order["id"], "user": user.id})
    await db.commit()
    told = await life.ask("GET", "/api/auth/me/export/")
    everything = " ".join(texts(told)).lower()
    assert [sign for sign in SIGNS if sign not in everything] == []
    before = await traces(db)
    assert set(before) == KEPT | ERASED
    answers = text("SELECT user_id FROM idempotency_key")
    assert (await db.execute(answers)).scalars().all() == [user.id]
    await db.commit()
    if by == "owner":
        await life.ask("DELETE", "/api/auth/me/", {"password": PASSWORD})
    else:
        answer = await client.delete(f"/api/auth/customers/{user.id}/", headers=staff)
        assert answer.status_code == 204, answer.text
    assert (await db.execute(answers)).scalars().all() == []
    assert await traces(db) == {name: before[name] for name in KEPT}
