"""`POST /admin/promos/`: what is made, and how it is answered."""

import datetime as dt
from typing import Any

import pytest

from tests.factories import make_user
from tests.factories_catalog import make_store
from tests.promos.market import HOUR, MINUTE, Market, now, wire

ONE_DAY = dt.timedelta(days=1)


def tomorrow(item_id: int, **fields: Any) -> dict[str, Any]:
    start = now() + ONE_DAY
    return {"store_product": item_id, "starts_at": wire(start), "ends_at": wire(start + HOUR)} | fields


async def test_a_promotion_is_answered_whole_with_its_defaults(market: Market) -> None:
    item = await market.item()
    sent = tomorrow(item.id)
    answer = await market.client.post("/admin/promos/", json=sent, headers=await market.staff())
    made = answer.json()
    assert answer.status_code == 201
    assert made == sent | {
        "id": made["id"],
        "status": "scheduled",
        "promo_price": None,
        "discount_percent": None,
        "max_units": None,
        "per_user_limit": 1,
        "segments": ["new", "frequent"],
        "radius_m": 2000,
        "created_at": made["created_at"],
    }
    assert made["created_at"].endswith("Z")
    assert await market.pool_of(made["id"]) == item.pool_id


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({"promo_price": "700"}, {"promo_price": "700.00"}),
        ({"promo_price": 700.5}, {"promo_price": "700.50"}),
        ({"promo_price": "1000.00"}, {"promo_price": "1000.00"}),
        ({"promo_price": "0"}, {"promo_price": "0.00"}),
        ({"promo_price": None, "discount_percent": "12.5"}, {"promo_price": None, "discount_percent": "12.50"}),
        ({"discount_percent": 0}, {"discount_percent": "0.00"}),
        ({"discount_percent": "100.00"}, {"discount_percent": "100.00"}),
        ({"max_units": 10}, {"max_units": 10}),
        ({"max_units": None}, {"max_units": None}),
        ({"per_user_limit": 2**31 - 1}, {"per_user_limit": 2**31 - 1}),
        ({"radius_m": 1}, {"radius_m": 1}),
        ({"segments": ["frequent"]}, {"segments": ["frequent"]}),
        ({"segments": ["frequent", "new", "frequent"]}, {"segments": ["new", "frequent"]}),
        ({"starts_at": "2035-01-01T00:00", "ends_at": "2035-01-01T00:00:00.000001+00:00"}, {}),
        (
            {"starts_at": "2035-01-01T03:00:00+03:00", "ends_at": "2036-01-01 00:00Z"},
            {"ends_at": "2036-01-01T00:00:00Z"},
        ),
    ],
)
async def test_what_is_sent_is_kept(market: Market, sent: dict[str, Any], shown: dict[str, Any]) -> None:
    item = await market.item()
    answer = await market.client.post("/admin/promos/", json=tomorrow(item.id, **sent), headers=await market.staff())
    made = answer.json()
    assert answer.status_code == 201, made
    assert {name: made[name] for name in shown} == shown
    if "starts_at" in sent:
        assert made["starts_at"] == "2035-01-01T00:00:00Z"


async def test_read_only_and_unknown_fields_are_ignored(market: Market) -> None:
    item = await market.item()
    sent = tomorrow(item.id, id=77, status="active", created_at="2020-01-01T00:00Z", pool_id=1, cancelled_at="x")
    made = (await market.client.post("/admin/promos/", json=sent, headers=await market.staff())).json()
    assert made["id"] != 77
    assert (made["status"], made["created_at"][:4]) == ("scheduled", str(now().year))
    assert await market.pool_of(made["id"]) == item.pool_id


async def test_a_form_is_read_too(market: Market) -> None:
    item = await market.item()
    form = tomorrow(item.id, segments=["frequent"], promo_price="", max_units="3")
    answer = await market.client.post("/admin/promos/", data=form, headers=await market.staff())
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["segments"], made["promo_price"], made["max_units"]) == (["frequent"], None, 3)


@pytest.mark.parametrize(("begins", "status"), [(-MINUTE, "active"), (MINUTE, "scheduled")])
async def test_the_status_in_the_answer_follows_the_clock(market: Market, begins: dt.timedelta, status: str) -> None:
    item = await market.item()
    sent = tomorrow(item.id, starts_at=wire(now() + begins), ends_at=wire(now() + HOUR))
    made = (await market.client.post("/admin/promos/", json=sent, headers=await market.staff())).json()
    assert made["status"] == status
    buyer = await market.buyer()
    assert [one["id"] for one in await market.active(buyer)] == ([made["id"]] if status == "active" else [])


async def test_units_set_aside_leave_the_stores_stock(market: Market) -> None:
    item = await market.item(stock=10)
    sent = tomorrow(item.id, max_units=4)
    made = (await market.client.post("/admin/promos/", json=sent, headers=await market.staff())).json()
    pool = await market.pool_of(made["id"])
    assert pool != item.pool_id
    assert (await market.free(item.pool_id), await market.free(pool)) == (6, 4)
    assert await market.ledger(item.pool_id) == [(10, "opening", "test"), (-4, "set_aside", "promotion")]
    assert await market.ledger(pool) == [(4, "set_aside", "promotion")]
    ((parent, closes),) = await market.run("SELECT parent_id, closes_at FROM stock_pool WHERE id = :id", id=pool)
    assert (parent, wire(closes)) == (item.pool_id, sent["ends_at"])
    shown = await market.client.get(f"/api/store-products/{item.id}/", headers=await market.staff())
    assert shown.json()["stock"] == 6


async def test_promotions_of_one_store_product_may_overlap(market: Market) -> None:
    item = await market.item(stock=3)
    staff = await market.staff()
    for _ in range(2):
        sent = tomorrow(item.id, starts_at=wire(now() - MINUTE))
        assert (await market.client.post("/admin/promos/", json=sent, headers=staff)).status_code == 201
    listed = await market.active(await market.buyer())
    assert [(one["store_product"], one["stock"]) for one in listed] == [(item.id, 3), (item.id, 3)]


async def test_the_owner_of_the_store_may(market: Market) -> None:
    owner = await make_user(market.db)
    item = await market.item(store=await make_store(market.db, owner=owner))
    answer = await market.client.post("/admin/promos/", json=tomorrow(item.id), headers=market.headers(owner))
    assert (answer.status_code, answer.json()["store_product"]) == (201, item.id)


async def test_the_owner_of_another_store_may_not(market: Market) -> None:
    owner = await make_user(market.db)
    await make_store(market.db, owner=owner)
    item = await market.item()
    before = await market.stored()
    answer = await market.client.post("/admin/promos/", json=tomorrow(item.id), headers=market.headers(owner))
    assert answer.status_code == 403
    assert answer.json() == {"detail": "You do not have permission to perform this action."}
    assert await market.stored() == before


@pytest.mark.parametrize("body", [{}, None])
async def test_who_owns_no_store_is_refused_before_the_body_is_read(market: Market, body: Any) -> None:
    item = await market.item()
    user = market.headers(await make_user(market.db))
    before = await market.stored()
    for sent in (tomorrow(item.id), body):
        answer = await market.client.post("/admin/promos/", json=sent, headers=user)
        assert answer.status_code == 403
        assert answer.json() == {"detail": "You do not have permission to perform this action."}
    assert await market.stored() == before


async def test_anonymous_is_asked_for_basic_first(market: Market) -> None:
    item = await market.item()
    before = await market.stored()
    answer = await market.client.post("/admin/promos/", json=tomorrow(item.id))
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
    assert answer.headers["www-authenticate"] == 'Basic realm="api"'
    assert await market.stored() == before
