"""Orders that promotions made, and what becomes of their units when they end."""

import httpx

from app.domain.accounts.models import User
from tests.promos.market import Market


async def cancelled(market: Market, buyer: User, order: int) -> httpx.Response:
    return await market.client.post(f"/api/orders/{order}/cancel/", headers=market.headers(buyer))


async def test_a_unit_goes_back_to_the_promotion_while_it_lasts(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item, max_units=3)
    pool = await market.pool_of(promo)
    order = (await market.checkout(buyer, await market.hold(buyer, promo))).json()["order"]
    assert (await market.free(pool), await market.free(item.pool_id)) == (2, 2)
    assert (await cancelled(market, buyer, order)).status_code == 200
    assert (await market.free(pool), await market.free(item.pool_id)) == (3, 2)
    # The buyer's limit of one is free again.
    again = (await market.checkout(buyer, await market.hold(buyer, promo))).json()["order"]
    assert again != order


async def test_after_its_end_it_goes_back_to_the_store(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item, max_units=3)
    order = (await market.checkout(buyer, await market.hold(buyer, promo))).json()["order"]
    await market.end(promo)
    assert await market.free(item.pool_id) == 4
    assert (await cancelled(market, buyer, order)).status_code == 200
    assert await market.free(item.pool_id) == 5


async def test_its_lines_stay_as_they_are(market: Market) -> None:
    item, buyer = await market.item(stock=5), await market.buyer()
    promo = await market.promo(item)
    order = (await market.checkout(buyer, await market.hold(buyer, promo))).json()["order"]
    line = await market.value("SELECT id FROM order_item")
    await market.run("UPDATE users SET is_staff = true RETURNING 1")
    body = {"items": [{"id": line, "quantity": 2}]}
    answer = await market.client.patch(f"/api/orders/{order}/items/", json=body, headers=market.headers(buyer))
    assert (answer.status_code, answer.json()["code"]) == (400, "promotion_order")
