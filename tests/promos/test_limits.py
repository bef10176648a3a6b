"""What one buyer may have of a promotion: units held and bought together, given back when they come back."""

from typing import Any

from app.domain.inventory.service import StockService, Trade
from tests.promos.market import Market

REACHED = {"detail": "You have reached the limit of this promotion.", "code": "limit_reached"}


async def refused(market: Market, buyer: Any, promo: int, quantity: int, units_left: int) -> None:
    before = await market.stored()
    answer = await market.reserve(buyer, promo, quantity)
    assert (answer.status_code, answer.json()) == (409, REACHED | {"units_left": units_left})
    assert await market.stored() == before


async def buy(market: Market, buyer: Any, promo: int, quantity: int) -> int:
    answer = await market.checkout(buyer, await market.hold(buyer, promo, quantity))
    assert answer.status_code == 200
    return int(answer.json()["order"])


async def test_one_is_the_limit_unless_said(market: Market) -> None:
    promo, buyer = await market.promo(await market.item()), await market.buyer()
    await refused(market, buyer, promo, 2, units_left=1)
    await buy(market, buyer, promo, 1)
    await refused(market, buyer, promo, 1, units_left=0)


async def test_bought_units_count(market: Market) -> None:
    promo, buyer = await market.promo(await market.item(stock=9), per_user_limit=5), await market.buyer()
    await refused(market, buyer, promo, 6, units_left=5)
    await buy(market, buyer, promo, 2)
    await refused(market, buyer, promo, 4, units_left=3)
    await buy(market, buyer, promo, 3)
    await refused(market, buyer, promo, 1, units_left=0)
    assert await market.run("SELECT status, quantity FROM reservation_finished ORDER BY id") == [
        ("confirmed", 2),
        ("confirmed", 3),
    ]


async def test_the_rest_is_also_bounded_by_the_stock(market: Market) -> None:
    item, buyer = await market.item(stock=4), await market.buyer()
    promo = await market.promo(item, per_user_limit=5)
    await buy(market, buyer, promo, 2)
    await refused(market, buyer, promo, 4, units_left=2)
    answer = await market.reserve(buyer, promo, 3)
    assert (answer.json()["code"], answer.json()["units_left"]) == ("insufficient_stock", 2)


async def test_cancelled_and_expired_ones_do_not_count(market: Market) -> None:
    promo, buyer = await market.promo(await market.item(), per_user_limit=2), await market.buyer()
    token = await market.hold(buyer, promo, 2)
    assert (await market.cancel(buyer, token)).status_code == 200
    token = await market.hold(buyer, promo, 2)
    await market.expire(token)
    await buy(market, buyer, promo, 2)
    await refused(market, buyer, promo, 1, units_left=0)


async def test_limits_are_each_promotions_and_each_buyers(market: Market) -> None:
    item, first, second = await market.item(), await market.buyer(), await market.buyer()
    one, two = await market.promo(item), await market.promo(item)
    for buyer in (first, second):
        for promo in (one, two):
            await buy(market, buyer, promo, 1)
            await refused(market, buyer, promo, 1, units_left=0)
    assert await market.free(item.pool_id) == 6


async def test_units_that_came_back_free_the_limit(market: Market) -> None:
    """What cancelling the order records: the units in their pool again, and when."""
    item, buyer = await market.item(stock=4), await market.buyer()
    promo = await market.promo(item, max_units=3, per_user_limit=3)
    first, _ = await buy(market, buyer, promo, 1), await buy(market, buyer, promo, 2)
    await refused(market, buyer, promo, 1, units_left=0)
    pool = await market.pool_of(promo)
    await StockService(market.db).trade([Trade(pool, -1, f"order {first}")])
    await market.run("UPDATE reservation_finished SET returned_at = now() WHERE order_id = :order", order=first)
    (listed,) = await market.active(buyer)
    assert (listed["stock"], listed["units_left"]) == (1, 1)
    await refused(market, buyer, promo, 2, units_left=1)
    await buy(market, buyer, promo, 1)
    await refused(market, buyer, promo, 1, units_left=0)
