"""`PUT /cart/cancel`: the units are free again, exactly once; and whose tokens count."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.promos.market import Market

UNKNOWN = {"detail": "No Reservation matches the given query."}
MALFORMED: list[Any] = [
    *("", "x", "0", 0, 1.5, True, [], {}, "g" * 32, "a" * 31, "a" * 33, "{" + "a" * 32 + "}", "urn:uuid:" + "a" * 32),
    *("\x00" * 36, "a" * 1_000_000, "\u0663" * 32, "' OR 1=1 --"),
]


async def test_its_units_are_free_in_the_same_moment(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item, per_user_limit=3)
    held = (await market.reserve(buyer, promo, 3)).json()
    assert await market.free(item.pool_id) == 2
    answer = await market.cancel(buyer, held["token"])
    assert answer.status_code == 200
    assert answer.json() == held | {"status": "cancelled", "server_time": answer.json()["server_time"]}
    assert await market.free(item.pool_id) == 5
    assert await market.ledger(item.pool_id) == [(5, "opening", "test")]


async def test_again_it_is_the_same_answer(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    token = await market.hold(buyer, await market.promo(item))
    first = await market.cancel(buyer, token)
    before = await market.stored()
    for _ in range(3):
        again = await market.cancel(buyer, token)
        assert again.status_code == 200
        assert again.json() | {"server_time": ""} == first.json() | {"server_time": ""}
    assert await market.stored() == before


async def test_what_was_cancelled_stays_so_after_its_time(market: Market) -> None:
    buyer = await market.buyer()
    token = await market.hold(buyer, await market.promo(await market.item()))
    await market.cancel(buyer, token)
    await market.run("UPDATE reservation_finished SET expires_at = clock_timestamp() - interval '1 minute'")
    assert (await market.cancel(buyer, token)).json()["status"] == "cancelled"


async def test_it_cannot_be_bought_any_more(market: Market) -> None:
    buyer = await market.buyer()
    token = await market.hold(buyer, await market.promo(await market.item()))
    await market.cancel(buyer, token)
    before = await market.stored()
    answer = await market.checkout(buyer, token)
    assert (answer.status_code, answer.json()) == (409, {"detail": "The hold was cancelled.", "code": "hold_cancelled"})
    assert await market.stored() == before


async def test_a_new_hold_has_a_new_token(market: Market) -> None:
    promo, buyer = await market.promo(await market.item(stock=1)), await market.buyer()
    first = await market.hold(buyer, promo)
    await market.cancel(buyer, first)
    second = await market.hold(buyer, promo)
    assert second != first
    assert (await market.cancel(buyer, first)).json()["status"] == "cancelled"
    assert (await market.checkout(buyer, second)).status_code == 200


@pytest.mark.parametrize("path", ["/cart/checkout", "/cart/cancel"])
@pytest.mark.parametrize("state", ["held", "expired", "cancelled", "confirmed"])
async def test_somebody_elses_token_is_unknown(market: Market, path: str, state: str) -> None:
    buyer = await market.buyer()
    token = await market.hold(buyer, await market.promo(await market.item()))
    if state == "expired":
        await market.expire(token)
    elif state != "held":
        await (market.cancel if state == "cancelled" else market.checkout)(buyer, token)
    thief, staff = market.headers(await market.buyer()), await market.staff()
    before = await market.stored()
    for headers in (thief, staff):
        for sent in (token, str(uuid4()), str(UUID(int=0))):
            answer = await market.client.put(path, json={"token": sent}, headers=headers)
            assert (answer.status_code, answer.json()) == (404, UNKNOWN)
    assert await market.stored() == before


@pytest.mark.parametrize("path", ["/cart/checkout", "/cart/cancel"])
async def test_a_malformed_token(market: Market, path: str) -> None:
    headers = market.headers(await market.buyer())
    bad = "Must be a valid UUID."
    for token in MALFORMED:
        answer = await market.client.put(path, json={"token": token}, headers=headers)
        assert (answer.status_code, answer.json()) == (400, {"detail": bad, "token": [bad]}), token


@pytest.mark.parametrize("path", ["/cart/checkout", "/cart/cancel"])
async def test_any_spelling_of_the_token_is_the_token(market: Market, path: str) -> None:
    buyer = await market.buyer()
    token = await market.hold(buyer, await market.promo(await market.item()))
    for spelling in (token.upper(), token.replace("-", ""), token):
        answer = await market.client.put(path, json={"token": spelling}, headers=market.headers(buyer))
        assert (answer.status_code, answer.json()["token"]) == (200, token)
