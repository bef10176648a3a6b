"""Units set aside for a promotion: where they are after an edit, a cancellation, the end; what the ledgers say."""

import asyncio
from typing import Any

import pytest

from app.domain.inventory.service import StockService
from tests.promos.market import HOUR, Market, now, wire

OPENING = (10, "opening", "test")


async def scheduled(market: Market, item: Any, **fields: Any) -> int:
    return await market.promo(item, starts_at=now() + HOUR, ends_at=now() + 2 * HOUR, **fields)


async def patch(market: Market, promo: int, **changes: Any) -> None:
    answer = await market.client.patch(f"/admin/promos/{promo}/", json=changes, headers=await market.staff())
    assert answer.status_code == 200, answer.text


async def both(market: Market, item: Any, promo: int) -> tuple[int, int]:
    """Free units of the store product and of the promotion."""
    return await market.free(item.pool_id), await market.free(await market.pool_of(promo))


async def test_more_or_fewer_units(market: Market) -> None:
    item = await market.item(stock=10)
    promo = await scheduled(market, item, max_units=4)
    first = await market.pool_of(promo)
    for units in (9, 10, 1):
        await patch(market, promo, max_units=units)
        assert await both(market, item, promo) == (10 - units, units)
    assert await market.ledger(first) == [(4, "set_aside", "test"), (-4, "set_aside", "closed")]
    assert await market.ledger(item.pool_id) == [
        OPENING,
        (-4, "set_aside", "test"),
        (4, "set_aside", "closed"),
        (-9, "set_aside", "promotion"),
        (9, "set_aside", "closed"),
        (-10, "set_aside", "promotion"),
        (10, "set_aside", "closed"),
        (-1, "set_aside", "promotion"),
    ]


async def test_too_many_units_leave_everything_as_it_was(market: Market) -> None:
    item, staff = await market.item(stock=10), await market.staff()
    promo = await scheduled(market, item, max_units=4)
    before = await market.stored()
    answer = await market.client.patch(f"/admin/promos/{promo}/", json={"max_units": 11}, headers=staff)
    assert answer.status_code == 400
    message = "Ensure this value is less than or equal to 10: the store has no more units free."
    assert answer.json() == {"max_units": [message]}
    assert await market.stored() == before


async def test_none_at_all_any_more_and_again(market: Market) -> None:
    item = await market.item(stock=10)
    promo = await scheduled(market, item, max_units=4)
    await patch(market, promo, max_units=None)
    assert await market.pool_of(promo) == item.pool_id
    assert await market.free(item.pool_id) == 10
    await patch(market, promo, max_units=10)
    assert await both(market, item, promo) == (0, 10)


async def test_another_end_moves_the_closing_with_it(market: Market) -> None:
    item = await market.item(stock=10)
    promo = await scheduled(market, item, max_units=4)
    ends = wire(now() + 5 * HOUR)
    await patch(market, promo, ends_at=ends)
    pool = await market.pool_of(promo)
    assert await both(market, item, promo) == (6, 4)
    assert wire(await market.value("SELECT closes_at FROM stock_pool WHERE id = :id", id=pool)) == ends


async def test_another_store_product_gives_and_takes(market: Market) -> None:
    item, other = await market.item(stock=10), await market.item(stock=7)
    promo = await scheduled(market, item, max_units=4)
    await patch(market, promo, store_product=other.id)
    assert await market.free(item.pool_id) == 10
    assert await both(market, other, promo) == (3, 4)


async def test_other_fields_leave_the_pool_alone(market: Market) -> None:
    item = await market.item(stock=10)
    promo = await scheduled(market, item, max_units=4)
    pool = await market.pool_of(promo)
    await patch(market, promo, radius_m=1, promo_price="1.00", starts_at=wire(now() + HOUR / 2), segments=["new"])
    assert await market.pool_of(promo) == pool
    assert await market.ledger(pool) == [(4, "set_aside", "test")]


async def test_at_the_end_units_are_the_stores_by_the_clock(market: Market) -> None:
    """Readers and buyers need no job: what is left counts as the store's, and can be held there."""
    item, first, second = await market.item(stock=4), await market.buyer(), await market.buyer()
    promo = await market.promo(item, max_units=4, per_user_limit=4)
    pool = await market.pool_of(promo)
    token = await market.hold(first, promo, 1)
    order = (await market.checkout(first, token)).json()["order"]
    live = await market.hold(second, promo, 1)
    other = await market.promo(item, per_user_limit=4)
    assert (await market.reserve(first, other)).json()["code"] == "insufficient_stock"
    await market.end(promo)
    assert await market.free(item.pool_id) == 2
    assert await market.hold(first, other, 2)
    assert await market.ledger(pool) == [
        (4, "set_aside", "test"),
        (-1, "sale", f"order {order}"),
        (-2, "set_aside", "closed"),
    ]
    # The live hold of the promotion that is over stays good; let go, its unit is the store's.
    assert (await market.cancel(second, live)).json()["status"] == "cancelled"
    assert await market.free(item.pool_id) == 1
    settled = "SELECT settled_at IS NOT NULL FROM stock_pool WHERE id = :id"
    assert await market.value(settled, id=pool) is False
    assert await StockService(market.db).settle_closed_pools() == 1
    await market.db.commit()
    assert await market.value(settled, id=pool) is True
    assert (await market.in_slots(item.pool_id), await market.in_slots(pool)) == (1, 0)


async def test_a_hold_that_runs_out_after_the_end_comes_home(market: Market) -> None:
    item, buyer = await market.item(stock=4), await market.buyer()
    promo = await market.promo(item, max_units=4)
    token = await market.hold(buyer, promo)
    await market.end(promo)
    assert await market.free(item.pool_id) == 3
    await market.expire(token)
    assert await market.free(item.pool_id) == 4
    other = await market.promo(item, per_user_limit=4)
    assert (await market.reserve(buyer, other, 4)).status_code == 201


async def test_the_store_cannot_be_written_short_of_units_set_aside(market: Market) -> None:
    """Writing the store's stock leaves the promotion's units alone."""
    item, staff = await market.item(stock=10), await market.staff()
    promo = await market.promo(item, max_units=4)
    answer = await market.client.patch(f"/api/store-products/{item.id}/", json={"stock": 2}, headers=staff)
    assert (answer.status_code, answer.json()["stock"]) == (200, 2)
    assert await both(market, item, promo) == (2, 4)
    await market.end(promo)
    assert await market.free(item.pool_id) == 6
    answer = await market.client.patch(f"/api/store-products/{item.id}/", json={"stock": 6}, headers=staff)
    assert [kind for _, kind, _ in await market.ledger(item.pool_id)] == [
        "opening",
        "set_aside",
        "adjustment",
        "set_aside",
    ]


async def test_used_up_units_are_short_although_the_store_has_more(market: Market) -> None:
    item = await market.item(stock=10)
    promo = await market.promo(item, max_units=1)
    await market.hold(await market.buyer(), promo)
    answer = await market.reserve(await market.buyer(), promo)
    assert (answer.status_code, answer.json()["code"], answer.json()["units_left"]) == (409, "insufficient_stock", 0)
    assert await market.free(item.pool_id) == 9


async def test_edits_at_once_take_turns(market: Market) -> None:
    """Each gives back what the one before it set aside; none leaves units in a pool that nobody sells from."""
    item, staff = await market.item(stock=10), await market.staff()
    promo = await scheduled(market, item, max_units=4)
    path = f"/admin/promos/{promo}/"
    edits = [market.client.patch(path, json={"max_units": units}, headers=staff) for units in (1, 2, 3, 5, 7, 10)]
    assert {answer.status_code for answer in await asyncio.gather(*edits)} == {200}
    ((units,),) = await market.run("SELECT max_units FROM flash_promo")
    assert await both(market, item, promo) == (10 - units, units)


async def test_edits_and_a_cancellation_at_once(market: Market) -> None:
    item, staff = await market.item(stock=10), await market.staff()
    promo = await scheduled(market, item, max_units=4)
    path = f"/admin/promos/{promo}/"
    calls = [market.client.patch(path, json={"max_units": units}, headers=staff) for units in (1, 2, 3)]
    calls.insert(1, market.client.post(path + "cancel/", headers=staff))
    calls.append(market.client.post(path + "cancel/", headers=staff))
    first, cancelled, *others, again = await asyncio.gather(*calls)
    assert sorted((cancelled.status_code, again.status_code)) == [200, 400]
    for edit in (first, *others):
        assert edit.status_code == 200 or edit.json()["code"] == "promo_cancelled"
    assert await market.free(item.pool_id) == 10


@pytest.mark.parametrize("patient", [False, True])
async def test_a_hold_in_the_pool_that_an_edited_promotion_had_is_not_lost(market: Market, patient: bool) -> None:
    """A claim judged just after the start may meet an edit made just before it: its hold lies in the old pool."""
    item, buyer = await market.item(stock=10), await market.buyer()
    promo = await market.promo(item, max_units=4, per_user_limit=2)
    token = await market.hold(buyer, promo)
    old = await market.pool_of(promo)
    await market.move(promo, starts_at=now() + HOUR / 2)
    await patch(market, promo, max_units=5)
    await market.move(promo, starts_at=now() - HOUR)
    assert await both(market, item, promo) == (4, 5)
    assert (await market.reserve(buyer, promo)).json()["token"] == token
    await market.expire(token)
    assert await both(market, item, promo) == (5, 5)
    claim = "SELECT verdict, quantity FROM promo_claim(ARRAY[:user], ARRAY[0], ARRAY[:promo], ARRAY[2], 60, :patient)"
    claim = claim.replace(":user", str(buyer.id)).replace(":promo", str(promo))
    assert await market.run(claim, patient=patient) == [("new", 2)]
    assert await both(market, item, promo) == (5, 3)
    assert await market.in_slots(old) == 1
