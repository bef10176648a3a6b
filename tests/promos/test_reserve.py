"""`POST /cart/reserve`: what is held, what is refused, and that a refusal changes nothing."""

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.metrics import LOCK_WAIT
from tests.promos.market import HOUR, MINUTE, Market, now

SECOND = dt.timedelta(seconds=1)


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


async def test_a_hold_is_answered_whole(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item, per_user_limit=4)
    answer = await market.reserve(buyer, promo, 3)
    held = answer.json()
    assert answer.status_code == 201
    assert held == {
        "id": held["id"],
        "promo": promo,
        "store_product": item.id,
        "user": buyer.id,
        "status": "held",
        "token": held["token"],
        "quantity": 3,
        "unit_price": "1000.00",
        "expires_at": held["expires_at"],
        "server_time": held["server_time"],
        "order": None,
    }
    assert UUID(held["token"]).version == 4
    left = instant(held["expires_at"]) - instant(held["server_time"])
    assert 59 * SECOND < left <= 60 * SECOND
    assert abs(instant(held["server_time"]) - now()) < 5 * SECOND
    assert await market.free(item.pool_id) == 2
    # Holding is no lasting change: the ledger learns of it when it is sold.
    assert await market.ledger(item.pool_id) == [(5, "opening", "test")]


async def test_one_unit_unless_said(market: Market) -> None:
    item = await market.item(stock=5)
    promo = await market.promo(item)
    assert (await market.reserve(await market.buyer(), promo)).json()["quantity"] == 1
    assert await market.free(item.pool_id) == 4


async def test_promo_is_accepted_for_promo_id(market: Market) -> None:
    promo, other = await market.promo(await market.item()), await market.promo(await market.item())
    buyer = await market.buyer()
    sent: list[tuple[dict[str, Any], int]] = [({"promo": promo}, promo), ({"promo": promo, "promo_id": other}, other)]
    for body, held in sent:
        answer = await market.client.post("/cart/reserve", json=body, headers=market.headers(buyer))
        assert (answer.status_code, answer.json()["promo"]) == (201, held)


async def test_a_second_call_gives_the_same_hold(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item, per_user_limit=4)
    first = (await market.reserve(buyer, promo, 2)).json()
    for quantity in (1, 2, 4, 99):
        again = await market.reserve(buyer, promo, quantity)
        assert again.status_code == 200
        assert again.json() | {"server_time": ""} == first | {"server_time": ""}
    assert await market.free(item.pool_id) == 3


async def test_the_same_hold_also_when_it_could_not_be_made_any_more(market: Market) -> None:
    """Sold out, ended, moved away, of another segment: what one has, one has."""
    item, buyer = await market.item(stock=1), await market.buyer()
    promo = await market.promo(item)
    token = await market.hold(buyer, promo)
    for change in (
        "UPDATE profiles SET location = NULL",
        "UPDATE profiles SET segments_override = '{}'",
        "UPDATE flash_promo SET ends_at = clock_timestamp() - interval '1 second'",
        "UPDATE flash_promo SET cancelled_at = clock_timestamp()",
    ):
        await market.run(change)
        again = await market.reserve(buyer, promo)
        assert (again.status_code, again.json()["token"], again.json()["status"]) == (200, token, "held")


async def test_a_buyer_may_hold_of_several_promotions(market: Market) -> None:
    item, buyer = await market.item(stock=2), await market.buyer()
    promos = [await market.promo(item) for _ in range(3)]
    statuses = [(await market.reserve(buyer, promo)).status_code for promo in promos]
    assert statuses == [201, 201, 409]


@pytest.mark.parametrize(
    ("window", "cancelled"),
    [
        ({"starts_at": now() + HOUR, "ends_at": now() + 2 * HOUR}, False),
        ({"starts_at": now() - HOUR, "ends_at": now() - MINUTE}, False),
        ({}, True),
    ],
    ids=["scheduled", "finished", "cancelled"],
)
async def test_only_while_it_is_on(market: Market, window: dict[str, Any], cancelled: bool) -> None:
    buyer = await market.buyer()
    promo = await market.promo(await market.item(), **window, cancelled_at=now() if cancelled else None)
    before = await market.stored()
    answer = await market.reserve(buyer, promo)
    assert answer.status_code == 409
    assert answer.json() == {"detail": "The promotion is not active.", "code": "promo_not_active", "units_left": 0}
    assert await market.stored() == before


async def test_sold_out_says_how_many_are_left(market: Market) -> None:
    item, buyer = await market.item(stock=3), await market.buyer()
    promo = await market.promo(item, per_user_limit=5)
    before = await market.stored()
    answer = await market.reserve(buyer, promo, 4)
    short = {"detail": "There are not enough units left.", "code": "insufficient_stock"}
    assert (answer.status_code, answer.json()) == (409, short | {"units_left": 3})
    assert await market.stored() == before
    assert (await market.reserve(buyer, promo, 3)).status_code == 201
    answer = await market.reserve(await market.buyer(), promo)
    assert (answer.status_code, answer.json()) == (409, short | {"units_left": 0})


async def test_units_of_several_slots_make_one_hold(market: Market) -> None:
    """Sixteen slots of one or two units each: a hold of all of them is no reason to refuse."""
    item = await market.item(stock=20)
    promo = await market.promo(item, per_user_limit=20)
    assert (await market.reserve(await market.buyer(), promo, 20)).status_code == 201
    assert await market.free(item.pool_id) == 0


async def test_unknown_promotions(market: Market) -> None:
    buyer = await market.buyer()
    for promo in (987654321, 2**63 - 1):
        answer = await market.reserve(buyer, promo)
        assert (answer.status_code, answer.json()) == (404, {"detail": "No FlashPromo matches the given query."})


AT_LEAST_1 = "Ensure this value is greater than or equal to 1."
INTEGER = "A valid integer is required."


@pytest.mark.parametrize(
    ("sent", "field", "message"),
    [
        ({"quantity": 0}, "quantity", AT_LEAST_1),
        ({"quantity": -1}, "quantity", AT_LEAST_1),
        ({"quantity": 2**31}, "quantity", "Ensure this value is less than or equal to 2147483647."),
        ({"quantity": None}, "quantity", "This field may not be null."),
        ({"quantity": "one"}, "quantity", INTEGER),
        ({"quantity": 1.5}, "quantity", INTEGER),
        ({"quantity": True}, "quantity", INTEGER),
        ({"quantity": [1]}, "quantity", INTEGER),
        ({"promo_id": 0}, "promo_id", AT_LEAST_1),
        ({"promo_id": None}, "promo_id", "This field may not be null."),
        ({"promo_id": "x"}, "promo_id", INTEGER),
    ],
)
async def test_a_wrong_body(market: Market, sent: dict[str, Any], field: str, message: str) -> None:
    promo, buyer = await market.promo(await market.item()), await market.buyer()
    before = await market.stored()
    body = {"promo_id": promo} | sent
    answer = await market.client.post("/cart/reserve", json=body, headers=market.headers(buyer))
    assert (answer.status_code, answer.json()) == (400, {"detail": message, field: [message]})
    assert await market.stored() == before


async def test_a_body_without_a_promotion(market: Market) -> None:
    buyer = await market.buyer()
    answer = await market.client.post("/cart/reserve", json={"quantity": 1}, headers=market.headers(buyer))
    required = "This field is required."
    assert (answer.status_code, answer.json()) == (400, {"detail": required, "promo_id": [required]})


async def test_digits_as_text_and_forms_are_read(market: Market) -> None:
    promo, buyer = await market.promo(await market.item(), per_user_limit=2), await market.buyer()
    form = {"promo_id": str(promo), "quantity": "2"}
    answer = await market.client.post("/cart/reserve", data=form, headers=market.headers(buyer))
    assert (answer.status_code, answer.json()["quantity"]) == (201, 2)


async def test_nothing_that_is_sent_sets_price_time_or_buyer(market: Market) -> None:
    promo, buyer, other = await market.promo(await market.item()), await market.buyer(), await market.buyer()
    body = {"promo_id": promo, "unit_price": "0.01", "user": other.id, "status": "confirmed"}
    body |= {"expires_at": "2036-01-01T00:00Z", "order": 1, "token": "x"}
    held = (await market.client.post("/cart/reserve", json=body, headers=market.headers(buyer))).json()
    assert (held["unit_price"], held["user"], held["status"], held["order"]) == ("1000.00", buyer.id, "held", None)
    assert instant(held["expires_at"]) < now() + 61 * SECOND


async def test_who_waits_for_the_locks_of_slots_is_timed(
    market: Market, sessions: async_sessionmaker[AsyncSession]
) -> None:
    """Somebody edits the stock: the hold is not refused, it waits, and the metrics say for how long."""
    item = await market.item(stock=5)
    promo, buyer = await market.promo(item), await market.buyer()
    before = LOCK_WAIT._sum.get()
    async with sessions() as other:
        await other.execute(text("SELECT 1 FROM stock_slot WHERE pool_id = :pool FOR UPDATE"), {"pool": item.pool_id})
        asked = asyncio.create_task(market.reserve(buyer, promo))
        await asyncio.sleep(0.3)
        assert not asked.done()
    assert (await asked).status_code == 201
    assert LOCK_WAIT._sum.get() - before >= 0.2
