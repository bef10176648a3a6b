"""A hold lives while `expires_at > now`, whether or not anything has swept it."""

import datetime as dt

from app.domain.inventory.service import StockService
from tests.promos.market import Market, now

EXPIRED = {"detail": "The hold has expired.", "code": "hold_expired"}


async def test_it_cannot_be_bought_and_its_units_are_free(market: Market) -> None:
    item, buyer = await market.item(stock=1), await market.buyer()
    promo = await market.promo(item)
    token = await market.hold(buyer, promo)
    assert await market.free(item.pool_id) == 0
    await market.expire(token)
    for _ in range(2):
        answer = await market.checkout(buyer, token)
        assert (answer.status_code, answer.json()) == (409, EXPIRED)
    assert await market.free(item.pool_id) == 1
    assert await market.value("SELECT count(*) FROM orders") == 0
    # Somebody else takes the unit without any sweep; the answer to the first stays the same.
    assert (await market.reserve(await market.buyer(), promo)).status_code == 201
    answer = await market.checkout(buyer, token)
    assert (answer.status_code, answer.json()) == (409, EXPIRED)


async def test_cancelling_it_says_that_it_has_expired(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item, per_user_limit=3)
    token = await market.hold(buyer, promo, 3)
    await market.expire(token)
    first = await market.cancel(buyer, token)
    assert (first.status_code, first.json()["status"], first.json()["quantity"]) == (200, "expired", 3)
    assert await market.in_slots(item.pool_id) == 5
    again = await market.cancel(buyer, token)
    assert again.status_code == 200
    assert again.json() | {"server_time": ""} == first.json() | {"server_time": ""}
    assert await market.in_slots(item.pool_id) == 5
    answer = await market.checkout(buyer, token)
    assert (answer.status_code, answer.json()) == (409, EXPIRED)


async def test_the_buyer_may_hold_anew(market: Market) -> None:
    item, buyer = await market.item(stock=2), await market.buyer()
    promo = await market.promo(item, per_user_limit=2)
    token = await market.hold(buyer, promo, 2)
    await market.expire(token)
    answer = await market.reserve(buyer, promo, 1)
    assert answer.status_code == 201
    assert answer.json()["token"] != token
    assert (answer.json()["status"], answer.json()["quantity"]) == ("held", 1)
    assert await market.free(item.pool_id) == 1
    assert (await market.cancel(buyer, token)).json()["status"] == "expired"
    assert await market.free(item.pool_id) == 1


async def test_expired_units_of_others_are_gathered_without_a_sweep(market: Market) -> None:
    item = await market.item(stock=6)
    promo = await market.promo(item, per_user_limit=6)
    for _ in range(6):
        await market.expire(await market.hold(await market.buyer(), promo, 1))
    assert (await market.in_slots(item.pool_id), await market.free(item.pool_id)) == (0, 6)
    assert (await market.reserve(await market.buyer(), promo, 6)).status_code == 201
    assert await market.value("SELECT count(*) FROM reservation_finished WHERE status = 'expired'") == 6


async def test_the_sweep_changes_nothing_that_anybody_sees(market: Market) -> None:
    item, buyer, other = await market.item(stock=5), await market.buyer(), await market.buyer()
    promo = await market.promo(item, per_user_limit=5)
    token = await market.hold(buyer, promo, 2)
    live = await market.hold(other, promo, 1)
    await market.expire(token)
    seen = await market.active(buyer)
    assert [await StockService(market.db).sweep_expired() for _ in range(2)] == [1, 0]
    await market.db.commit()
    ((before,), (after,)) = (seen, await market.active(buyer))
    assert before | {"server_time": ""} == after | {"server_time": ""}
    assert (await market.in_slots(item.pool_id), await market.free(item.pool_id)) == (4, 4)
    assert (await market.checkout(buyer, token)).json() == EXPIRED
    assert (await market.cancel(buyer, token)).json()["status"] == "expired"
    assert (await market.checkout(other, live)).status_code == 200


async def test_exactly_at_its_end_it_is_over(market: Market) -> None:
    """`expires_at` in this very instant: any later reading of the clock is at or after it."""
    item, buyer = await market.item(stock=1), await market.buyer()
    promo = await market.promo(item)
    token = await market.hold(buyer, promo)
    await market.run("UPDATE reservation SET expires_at = clock_timestamp()")
    assert (await market.checkout(buyer, token)).json() == EXPIRED
    over = "SELECT stock_own(:pool), (SELECT count(*) FROM reservation WHERE expires_at <= expires_at)"
    assert await market.run(over, pool=item.pool_id) == [(1, 1)]


async def test_it_outlives_its_promotion(market: Market) -> None:
    item, buyer = await market.item(stock=1), await market.buyer()
    promo = await market.promo(item)
    token = await market.hold(buyer, promo)
    await market.move(promo, ends_at=now() - dt.timedelta(seconds=1))
    assert await market.active(buyer) == []
    answer = await market.checkout(buyer, token)
    assert (answer.status_code, answer.json()["status"]) == (200, "confirmed")
