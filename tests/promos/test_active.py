"""`GET /promos/active`: what a buyer sees, near enough, on, and offered."""

from decimal import Decimal
from typing import Any

import pytest

from app.http.geo import GeoPoint
from tests.factories_catalog import CENTRE, make_product, make_store, make_store_product
from tests.promos.market import HERE, HOUR, MINUTE, Market, now, wire

# The contract's own examples: the same meridian, so that a sphere and the spheroid agree on which side each lies.
STORE = GeoPoint(lat=4.7110, lon=-74.0721)
EXAMPLES = [(4.7110, True), (4.7200, True), (4.7289, True), (4.7292, False), (4.8000, False)]


def ids(listed: list[dict[str, Any]]) -> list[int]:
    return [one["id"] for one in listed]


async def test_the_answer_is_whole(market: Market) -> None:
    store = await make_store(market.db, name="Centro")
    product = await make_product(market.db, name="Abono")
    item = await make_store_product(market.db, store=store, product=product, stock=7, base_price=Decimal("1000.00"))
    starts, ends = now() - MINUTE, now() + HOUR
    promo = await market.promo(item, starts_at=starts, ends_at=ends, promo_price=Decimal("699.50"), per_user_limit=3)
    before = wire(now())
    (one,) = await market.active(await market.buyer(location=(CENTRE.lat + 0.01, CENTRE.lon)))
    assert before <= one.pop("server_time") <= wire(now())
    assert one == {
        "id": promo,
        "store_product": item.id,
        "product_name": "Abono",
        "store": store.id,
        "store_name": "Centro",
        "distance_m": 1109.3,
        "stock": 7,
        "base_price": "1000.00",
        "promo_price": "699.50",
        "units_left": 3,
        "starts_at": wire(starts),
        "ends_at": wire(ends),
        "status": "active",
    }


@pytest.mark.parametrize(("lat", "inside"), EXAMPLES)
async def test_the_contracts_distances(market: Market, lat: float, inside: bool) -> None:
    item = await market.item(store=await make_store(market.db, point=STORE))
    promo = await market.promo(item)
    buyer = await market.buyer(location=(lat, STORE.lon))
    assert ids(await market.active(buyer)) == ([promo] if inside else [])
    answer = await market.reserve(buyer, promo)
    if inside:
        assert answer.status_code == 201
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "not_eligible")


@pytest.mark.parametrize(("metres", "inside"), [("1999.999", True), ("2000", True), ("2000.01", False)])
async def test_exactly_the_radius_counts(market: Market, metres: str, inside: bool) -> None:
    """Points computed on the spheroid in all directions; about half of them come out a hair beyond the radius."""
    promo = await market.promo(await market.item(store=await make_store(market.db, point=STORE)))
    buyer = await market.buyer()
    for bearing in range(0, 360, 24):
        await market.run(
            f"UPDATE profiles SET location = ST_Project(s.geom, {metres}, radians({bearing})) FROM store s"
            " WHERE profiles.user_id = :user",
            user=buyer.id,
        )
        assert ids(await market.active(buyer)) == ([promo] if inside else []), bearing
        answer = await market.reserve(buyer, promo)
        if inside:
            assert answer.status_code in {200, 201}
            assert (await market.cancel(buyer, answer.json()["token"])).status_code == 200
        else:
            assert answer.status_code == 403


async def test_the_radius_is_the_promotions_own(market: Market) -> None:
    item = await market.item()
    narrow, wide = await market.promo(item, radius_m=100), await market.promo(item, radius_m=20_100_000)
    assert ids(await market.active(await market.buyer(location=(CENTRE.lat + 0.001, CENTRE.lon)))) == [wide]
    assert ids(await market.active(await market.buyer(location=(-CENTRE.lat, CENTRE.lon + 180)))) == [wide]
    assert ids(await market.active(await market.buyer())) == [narrow, wide]


@pytest.mark.parametrize("store_lon", [179.995, -179.995])
async def test_near_across_the_date_line(market: Market, store_lon: float) -> None:
    item = await market.item(store=await make_store(market.db, point=GeoPoint(lat=0.0, lon=store_lon)))
    promo = await market.promo(item)
    assert ids(await market.active(await market.buyer(location=(0.0, -store_lon)))) == [promo]


async def test_nearest_first_then_the_older(market: Market) -> None:
    far = await market.promo(await market.item(store=await make_store(market.db, point=GeoPoint(-34.61, -58.3816))))
    near = [await market.promo(await market.item()) for _ in range(2)]
    assert ids(await market.active(await market.buyer())) == [*near, far]


async def test_without_a_place_or_a_profile_there_is_nothing(market: Market) -> None:
    promo = await market.promo(await market.item())
    nowhere, bare = await market.buyer(location=None), await market.buyer()
    await market.run("DELETE FROM profiles WHERE user_id = :id", id=bare.id)
    for buyer in (nowhere, bare):
        assert await market.active(buyer) == []
        answer = await market.reserve(buyer, promo)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_eligible")


async def test_a_place_given_in_the_profile_counts_at_once(market: Market) -> None:
    promo = await market.promo(await market.item())
    buyer = await market.buyer(location=None)
    for place, seen in (({"lat": HERE[0], "lon": HERE[1]}, [promo]), ({"lat": 0, "lon": 0}, []), (None, [])):
        body = {"location": place}
        answer = await market.client.put("/api/auth/me/", json=body, headers=market.headers(buyer))
        assert answer.status_code == 200
        assert ids(await market.active(buyer)) == seen


async def test_staff_and_owners_are_buyers_like_others(market: Market) -> None:
    near, far = await market.buyer(is_staff=True), await market.buyer(is_superuser=True, location=(0.0, 0.0))
    item = await market.item(store=await make_store(market.db, owner=far))
    promo = await market.promo(item)
    assert ids(await market.active(near)) == [promo]
    assert await market.active(far) == []
    assert (await market.reserve(far, promo)).status_code == 403


HIDDEN = {
    "the store is closed": "UPDATE store SET is_active = false",
    "the store was deleted": "UPDATE store SET deleted_at = now()",
    "the product is not offered": "UPDATE product SET is_available = false",
    "the product was deleted": "UPDATE product SET deleted_at = now()",
    "the store product was deleted": "UPDATE store_product SET deleted_at = now()",
}


@pytest.mark.parametrize("change", HIDDEN.values(), ids=HIDDEN.keys())
async def test_what_is_not_offered_is_hidden_and_not_held_but_holds_stay_good(market: Market, change: str) -> None:
    promo = await market.promo(await market.item(stock=5))
    holder, other = await market.buyer(), await market.buyer()
    token = await market.hold(holder, promo)
    await market.run(change)
    assert await market.active(other) == []
    answer = await market.reserve(other, promo)
    assert answer.status_code == 409
    assert answer.json() == {"detail": "The promotion is not active.", "code": "promo_not_active", "units_left": 0}
    assert (await market.reserve(holder, promo)).json()["token"] == token
    confirmed = await market.checkout(holder, token)
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "confirmed")


async def test_a_deletion_over_http_hides_it_too(market: Market) -> None:
    item, staff, buyer = await market.item(), await market.staff(), await market.buyer()
    promo = await market.promo(item)
    token = await market.hold(buyer, promo)
    assert (await market.client.delete(f"/api/products/{item.product_id}/", headers=staff)).status_code == 204
    assert await market.active(buyer) == []
    assert (await market.reserve(await market.buyer(), promo)).status_code == 409
    assert (await market.checkout(buyer, token)).status_code == 200


async def test_without_stock_it_is_listed_all_the_same(market: Market) -> None:
    empty = await market.promo(await market.item(stock=0))
    item = await market.item(stock=1)
    gone = await market.promo(item)
    await market.hold(await market.buyer(), gone)
    listed = await market.active(await market.buyer())
    assert [(one["id"], one["stock"], one["units_left"]) for one in listed] == [(empty, 0, 0), (gone, 0, 0)]


async def test_units_left_are_the_callers(market: Market) -> None:
    item = await market.item(stock=10)
    promo = await market.promo(item, max_units=5, per_user_limit=3)

    async def seen(buyer: Any) -> tuple[int, int]:
        (one,) = await market.active(buyer)
        return one["stock"], one["units_left"]

    first, second = await market.buyer(), await market.buyer()
    assert await seen(first) == (5, 3)
    token = await market.hold(first, promo, 2)
    assert (await seen(first), await seen(second)) == ((3, 1), (3, 3))
    await market.checkout(first, token)
    assert (await seen(first), await seen(second)) == ((3, 1), (3, 3))
    other = await market.hold(second, promo, 2)
    assert (await seen(first), await seen(second)) == ((1, 1), (1, 1))
    await market.expire(other)
    assert (await seen(first), await seen(second)) == ((3, 1), (3, 3))
