"""The shop's own view: list, retrieve, cancel, and who may."""

import datetime as dt
from typing import Any

import pytest

from tests.factories import make_user
from tests.factories_catalog import make_store
from tests.promos.market import HOUR, MINUTE, Market, now

REFUSED = {"detail": "You do not have permission to perform this action."}
ROUTES = [
    ("GET", "/admin/promos/"),
    ("POST", "/admin/promos/"),
    ("GET", "/admin/promos/{id}/"),
    ("PATCH", "/admin/promos/{id}/"),
    ("POST", "/admin/promos/{id}/cancel/"),
    ("GET", "/admin/promos/{id}/reservations/"),
]
OF_ONE = [route for route in ROUTES if "{id}" in route[1]]


async def call(market: Market, method: str, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    body = {} if method in {"PATCH", "POST"} else None
    answer = await market.client.request(method, path, json=body, headers=headers)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_anonymous_and_strangers_may_nothing(market: Market, method: str, path: str) -> None:
    promo = await market.promo(await market.item(), starts_at=now() + MINUTE)
    path = path.format(id=promo)
    user = await make_user(market.db)
    before = await market.stored()
    answer = await market.client.request(method, path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="api"')
    assert await call(market, method, path, market.headers(user)) == (403, REFUSED)
    assert await market.stored() == before


@pytest.mark.parametrize(("method", "path"), OF_ONE)
async def test_another_stores_owner_may_not(market: Market, method: str, path: str) -> None:
    promo = await market.promo(await market.item(), starts_at=now() + MINUTE)
    owner = await make_user(market.db)
    await make_store(market.db, owner=owner)
    before = await market.stored()
    assert await call(market, method, path.format(id=promo), market.headers(owner)) == (403, REFUSED)
    assert await market.stored() == before


@pytest.mark.parametrize(("method", "path"), OF_ONE)
async def test_an_unknown_promotion_is_missing_to_who_may_and_no_news_to_who_may_not(
    market: Market, method: str, path: str
) -> None:
    staff, stranger = await market.staff(), market.headers(await make_user(market.db))
    for number in (987654321, 10**18 - 1):
        status, body = await call(market, method, path.format(id=number), staff)
        assert (status, body) == (404, {"detail": "No FlashPromo matches the given query."})
        assert await call(market, method, path.format(id=number), stranger) == (403, REFUSED)
    for odd in ("x", "1_0", "-1", "1.0", "٣", str(2**63 - 1), str(2**63), "9" * 40):
        assert (await call(market, method, path.format(id=odd), staff))[0] == 404


async def test_the_owner_manages_the_own_ones(market: Market) -> None:
    owner = await make_user(market.db)
    item = await market.item(store=await make_store(market.db, owner=owner))
    headers = market.headers(owner)
    promo = await market.promo(item, starts_at=now() + MINUTE)
    await market.promo(await market.item())
    assert (await call(market, "GET", f"/admin/promos/{promo}/", headers))[0] == 200
    assert (await call(market, "PATCH", f"/admin/promos/{promo}/", headers))[0] == 200
    assert (await call(market, "GET", f"/admin/promos/{promo}/reservations/", headers))[0] == 200
    status, body = await call(market, "POST", f"/admin/promos/{promo}/cancel/", headers)
    assert (status, body["status"]) == (200, "cancelled")
    listed = (await call(market, "GET", "/admin/promos/", headers))[1]
    assert (listed["count"], [one["id"] for one in listed["results"]]) == (1, [promo])


async def test_the_list_is_paged_newest_first(market: Market) -> None:
    item, staff = await market.item(), await market.staff()
    ids = [await market.promo(item) for _ in range(12)]
    first = (await call(market, "GET", "/admin/promos/", staff))[1]
    assert (first["count"], first["previous"]) == (12, None)
    assert first["next"] == "http://testserver/admin/promos/?page=2"
    assert [one["id"] for one in first["results"]] == ids[:1:-1]
    second = (await call(market, "GET", "/admin/promos/?page=2", staff))[1]
    assert second["next"] is None
    assert second["previous"] == "http://testserver/admin/promos/"
    assert [one["id"] for one in second["results"]] == ids[1::-1]
    sized = (await call(market, "GET", "/admin/promos/?page_size=5&page=3", staff))[1]
    assert [one["id"] for one in sized["results"]] == ids[1::-1]
    one = (await call(market, "GET", f"/admin/promos/{ids[0]}/", staff))[1]
    assert one == second["results"][1]


@pytest.mark.parametrize("path", ["/admin/promos/", "/admin/promos/{id}/reservations/"])
async def test_pages_that_cannot_be(market: Market, path: str) -> None:
    staff = await market.staff()
    path = path.format(id=await market.promo(await market.item()))
    for page in ("0", "-1", "2", "x", "1" * 30, "", "1.0", "٢"):
        assert await call(market, "GET", f"{path}?page={page}", staff) == (404, {"detail": "Invalid page."})
    for size in ("0", "-1", "x", "1000000000", "1" * 30, "%00"):
        assert (await call(market, "GET", f"{path}?page_size={size}&page_size={size}", staff))[0] == 200


async def test_cancelling_ends_it_at_once(market: Market) -> None:
    item, staff, buyer = await market.item(stock=10), await market.staff(), await market.buyer()
    promo = await market.promo(item, max_units=4, per_user_limit=2)
    late = await market.buyer()
    token = await market.hold(buyer, promo, 1)
    answer = await market.client.post(f"/admin/promos/{promo}/cancel/", headers=staff)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await market.active(buyer) == []
    refused = await market.reserve(late, promo)
    assert (refused.status_code, refused.json()["code"]) == (409, "promo_not_active")
    assert await market.free(item.pool_id) == 9
    # The live hold runs on, and may be bought.
    assert (await market.reserve(buyer, promo)).json()["token"] == token
    assert (await market.checkout(buyer, token)).json()["status"] == "confirmed"
    assert await market.free(item.pool_id) == 9


@pytest.mark.parametrize("status", ["cancelled", "finished"])
async def test_what_is_over_cannot_be_cancelled(market: Market, status: str) -> None:
    staff = await market.staff()
    promo = await market.promo(await market.item(), max_units=3)
    over = {"cancelled_at" if status == "cancelled" else "ends_at": now() - dt.timedelta(seconds=1)}
    await market.move(promo, **over)
    if status == "cancelled":
        await market.run("UPDATE stock_pool SET closes_at = clock_timestamp() WHERE parent_id IS NOT NULL")
    before = await market.stored()
    answer = await market.client.post(f"/admin/promos/{promo}/cancel/", headers=staff)
    assert answer.status_code == 400
    assert answer.json() == {"detail": f"The promotion is {status}.", "code": f"promo_{status}"}
    assert await market.stored() == before


async def test_a_scheduled_one_can_be_cancelled(market: Market) -> None:
    item, staff = await market.item(stock=10), await market.staff()
    promo = await market.promo(item, max_units=10, starts_at=now() + HOUR, ends_at=now() + 2 * HOUR)
    assert await market.free(item.pool_id) == 0
    answer = await market.client.post(f"/api/admin/promos/{promo}/cancel", headers=staff)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert await market.free(item.pool_id) == 10
