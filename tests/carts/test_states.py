"""What each thing that can happen makes of a cart in each state: moves of the contract's table, and no others."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.carts.rules import TRANSITIONS
from app.domain.catalog.models import Product
from app.jobs import carts
from app.jobs.work import Work
from app.settings import Settings
from tests.carts.test_linking import login
from tests.carts.visiting import CARTS, CUSTOMER, PUBLIC, line, put, row_of
from tests.factories import make_user
from tests.factories_catalog import make_product
from tests.shop import People

# The contract's table, held here once more: the application's own is what is tested.
TABLE = {
    "active": {"abandoned", "converted", "expired"},
    "abandoned": {"active", "recovered", "converted", "expired"},
    "recovered": {"active", "converted", "abandoned"},
    "converted": {"active"},
    "expired": {"active"},
}
STATES = tuple(TABLE)
# What each event makes of each state; the state itself where it is refused or passes over.
OUTCOMES = {
    "update": dict.fromkeys(STATES, "active"),
    "identify": {"active": "abandoned"},
    "recover": {"abandoned": "recovered"},
    "convert": dict.fromkeys(("active", "abandoned", "recovered"), "converted"),
    "order": dict.fromkeys(("active", "abandoned", "recovered"), "converted"),
    "login": {"abandoned": "active"},
    "expire": dict.fromkeys(("active", "abandoned"), "expired"),
}


def test_the_table_is_the_contracts() -> None:
    assert {state: set(targets) for state, targets in TRANSITIONS.items()} == TABLE


def test_every_outcome_is_a_move_of_the_table() -> None:
    for event, outcomes in OUTCOMES.items():
        for old, new in outcomes.items():
            assert old == new or new in TABLE[old], (event, old, new)


class Happening:
    """Makes things happen to one cart."""

    def __init__(self, client: httpx.AsyncClient, db: AsyncSession, people: People, work: Work) -> None:
        self.client, self.db, self.people, self.work = client, db, people, work

    async def set_up(self, product: Product, state: str) -> None:
        answer = (await put(self.client, line(product), customer=CUSTOMER)).json()
        self.product, self.cart_id, self.visitor = product, answer["cart_id"], UUID(answer["anonymous_id"])
        times = "abandoned_at = now(), recovered_at = now()"
        order = ", converted_order_id = 7" if state == "converted" else ""
        await self.db.execute(text(f"UPDATE cart SET status = '{state}'{order}, {times}"))
        await self.db.commit()

    async def age(self, span: str) -> None:
        await self.db.execute(text(f"UPDATE cart SET last_activity = now() - interval '{span}'"))
        await self.db.commit()

    async def update(self) -> None:
        assert (await put(self.client, line(self.product), anonymous_id=self.visitor)).status_code == 200

    async def identify(self) -> None:
        await self.age("6 hours")
        await self.client.post(f"{CARTS}identify/", headers=self.people.staff)

    async def recover(self) -> None:
        await self.client.post(f"{CARTS}{self.cart_id}/recover/", headers=self.people.staff)

    async def convert(self) -> None:
        await self.client.post(f"{CARTS}{self.cart_id}/convert_to_order/", headers=self.people.staff)

    async def order(self) -> None:
        body = {"recipient_name": "Ana", "customer_email": "ana@example.com", "delivery_type": "pickup"}
        lines = {"products_data": [line(self.product)], "anonymous_id": str(self.visitor)}
        await self.client.post("/api/orders/", json=body | lines, headers=self.people.shopper)

    async def login(self) -> None:
        await login(self.client, await make_user(self.db), str(self.visitor))

    async def expire(self) -> None:
        await self.age("31 days")
        await carts.expire.run(self.work)


@pytest.mark.parametrize("event", list(OUTCOMES))
@pytest.mark.parametrize("state", STATES)
async def test_what_happens_to_a_cart(
    client: httpx.AsyncClient,
    db: AsyncSession,
    people: People,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    *,
    state: str,
    event: str,
) -> None:
    happening = Happening(client, db, people, Work(settings, sessions))
    await happening.set_up(await make_product(db), state)
    await getattr(happening, event)()
    assert (await row_of(db, happening.cart_id))["status"] == OUTCOMES[event].get(state, state)


@pytest.mark.parametrize(
    "field",
    [
        {"user": 1, "user_id": 1},
        {"status": "converted", "converted_order_id": 7},
        {"subtotal": "0.01", "discount": "99.00", "total": "0.01"},
        {"coupon": "6f1c2b34-0000-4000-8000-000000000000", "coupon_id": "6f1c2b34-0000-4000-8000-000000000000"},
        {"created_at": "2020-01-01T00:00:00Z", "last_activity": "2020-01-01T00:00:00Z", "id": 1},
        {"reminder_emails_sent": 9, "recovered_at": "2020-01-01T00:00:00Z"},
    ],
)
async def test_a_visitor_writes_nothing_else(
    client: httpx.AsyncClient, db: AsyncSession, field: dict[str, Any]
) -> None:
    product = await make_product(db)
    plain = (await put(client, line(product))).json()["cart_id"]
    body = {"anonymous_id": "6f1c2b34-0000-4000-8000-000000000001", "items": [line(product, price="0.01")]} | field
    answer = await client.post(PUBLIC, json=body)
    assert answer.status_code == 200
    own = {"id", "anonymous_id", "created_at", "last_activity"}
    first, second = await row_of(db, plain), await row_of(db, answer.json()["cart_id"])
    assert {key: value for key, value in first.items() if key not in own} == {
        key: value for key, value in second.items() if key not in own
    }
    assert second["created_at"].year > 2020
