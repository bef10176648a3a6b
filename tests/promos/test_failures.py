"""What buyers read when the database refuses, dies or cannot commit: never a success that is not stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.promos.market import Market

TRIPWIRE = """
    CREATE FUNCTION test_trip() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'tripped' USING ERRCODE = '{state}'; END $$
"""


class Tripwire:
    """Makes commits fail that have inserted into a table, with an SQLSTATE, under a condition on the row."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.table = ""

    async def arm(self, table: str, state: str, condition: str = "true") -> None:
        self.table = table
        await self.market.run(TRIPWIRE.format(state=state))
        await self.market.run(
            f"CREATE CONSTRAINT TRIGGER test_trip AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION test_trip()"
        )

    async def disarm(self) -> None:
        if self.table:
            await self.market.run(f"DROP TRIGGER test_trip ON {self.table}")
            await self.market.run("DROP FUNCTION test_trip")
        self.table = ""


@pytest.fixture
async def trip(market: Market) -> AsyncIterator[Tripwire]:
    wire = Tripwire(market)
    yield wire
    await wire.disarm()


Refusal = tuple[str, int, dict[str, Any]]
REFUSALS: list[Refusal] = [
    ("40001", 503, {"detail": "Service temporarily unavailable, try again later.", "code": "unavailable"}),
    ("53100", 503, {"detail": "Service temporarily unavailable, try again later.", "code": "unavailable"}),
    ("57P01", 503, {"detail": "Service temporarily unavailable, try again later.", "code": "unavailable"}),
    ("23505", 409, {"detail": "An object with these values already exists.", "code": "duplicate"}),
    ("P0001", 500, {"detail": "A server error occurred."}),
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("table", ["orders", "order_item", "stock_ledger", "reservation_finished"])
async def test_a_checkout_whose_commit_fails(market: Market, trip: Tripwire, table: str, refusal: Refusal) -> None:
    state, status, body = refusal
    item, buyer = await market.item(), await market.buyer()
    token = await market.hold(buyer, await market.promo(item))
    before = await market.stored()
    await trip.arm(table, state)
    answer = await market.checkout(buyer, token)
    assert (answer.status_code, answer.json()) == (status, body)
    assert ("retry-after" in answer.headers) == (status == 503)
    assert answer.headers["x-request-id"]
    assert await market.stored() == before
    await trip.disarm()
    assert (await market.checkout(buyer, token)).json()["status"] == "confirmed"


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_hold_whose_commit_fails(market: Market, trip: Tripwire, refusal: Refusal) -> None:
    state, status, body = refusal
    item, buyer = await market.item(), await market.buyer()
    promo = await market.promo(item)
    before = await market.stored()
    await trip.arm("reservation", state)
    answer = await market.reserve(buyer, promo)
    assert (answer.status_code, answer.json()) == (status, body)
    assert await market.stored() == before
    await trip.disarm()
    assert (await market.reserve(buyer, promo)).status_code == 201


async def test_a_cancellation_and_a_creation_whose_commit_fails(market: Market, trip: Tripwire) -> None:
    item, buyer, staff = await market.item(), await market.buyer(), await market.staff()
    token = await market.hold(buyer, await market.promo(item))
    before = await market.stored()
    await trip.arm("reservation_finished", "40001")
    assert (await market.cancel(buyer, token)).status_code == 503
    await trip.disarm()
    await trip.arm("stock_ledger", "40001")
    sent = {"store_product": item.id, "starts_at": "2035-01-01T00:00Z", "ends_at": "2036-01-01T00:00Z", "max_units": 3}
    assert (await market.client.post("/admin/promos/", json=sent, headers=staff)).status_code == 503
    assert await market.stored() == before


async def test_one_bad_claim_of_a_batch_harms_nobody_else(market: Market, trip: Tripwire) -> None:
    item = await market.item(stock=10)
    promo = await market.promo(item)
    buyers = [await market.buyer() for _ in range(9)]
    await trip.arm("reservation", "23514", f"new.user_id = {buyers[4].id}")
    answers = await asyncio.gather(*(market.reserve(buyer, promo) for buyer in buyers))
    statuses = [answer.status_code for answer in answers]
    assert statuses == [201] * 4 + [400] + [201] * 4
    assert await market.free(item.pool_id) == 2


async def test_a_dead_connection_costs_at_most_its_own_claims(market: Market) -> None:
    promo = await market.promo(await market.item())
    await market.hold(await market.buyer(), promo)
    killed = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'relampago-claims%'"
    )
    assert await market.value(killed + " AND datname = current_database()") >= 1
    assert (await market.reserve(await market.buyer(), promo)).status_code in {201, 503}
    assert (await market.reserve(await market.buyer(), promo)).status_code == 201


async def test_many_at_once_get_exactly_what_there_is(market: Market) -> None:
    """The small cousin of the races: one process, one promotion, more buyers than units."""
    item = await market.item(stock=12)
    promo = await market.promo(item, per_user_limit=2)
    buyers = [await market.buyer() for _ in range(20)]
    answers = await asyncio.gather(*(market.reserve(buyer, promo, 1 + n % 2) for n, buyer in enumerate(buyers)))
    held = [answer.json() for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} == {201, 409}
    assert sum(hold["quantity"] for hold in held) == 12
    assert await market.free(item.pool_id) == 0
    tokens = {hold["token"]: hold["user"] for hold in held}
    by_id = {buyer.id: buyer for buyer in buyers}
    done = await asyncio.gather(
        *(market.checkout(by_id[user], token) for token, user in tokens.items() for _ in range(2))
    )
    assert {answer.status_code for answer in done} == {200}
    assert len({answer.json()["order"] for answer in done}) == len(tokens)
