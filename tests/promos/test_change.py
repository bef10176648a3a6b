"""`PATCH /admin/promos/{id}/`: before the start only."""

from typing import Any

import pytest
from sqlalchemy import text

from app.domain.promos.service.promotions import PromoService
from tests.factories import make_user
from tests.factories_catalog import make_store
from tests.promos.market import HOUR, MINUTE, Market, now, wire
from tests.promos.test_create_refusals import AT_LEAST_1, DATETIME, NULL, ONE_FIELD


async def scheduled(market: Market, item: Any, **fields: Any) -> int:
    return await market.promo(item, starts_at=now() + HOUR, ends_at=now() + 2 * HOUR, **fields)


async def patch(market: Market, promo: int, **changes: Any) -> tuple[int, Any]:
    answer = await market.client.patch(f"/admin/promos/{promo}/", json=changes, headers=await market.staff())
    return answer.status_code, answer.json()


async def test_each_field_can_be_changed(market: Market) -> None:
    item, other = await market.item(), await market.item()
    promo = await scheduled(market, item)
    starts, ends = wire(now() + 3 * HOUR), wire(now() + 4 * HOUR)
    for changes in (
        {"starts_at": wire(now() + MINUTE)},
        {"ends_at": ends},
        {"starts_at": starts},
        {"promo_price": "700.00"},
        {"promo_price": None, "discount_percent": "25.00"},
        {"discount_percent": None},
        {"max_units": 3},
        {"per_user_limit": 4},
        {"radius_m": 1},
        {"segments": ["frequent"]},
        {"store_product": other.id},
        {"max_units": None},
    ):
        before = (await patch(market, promo))[1]
        assert await patch(market, promo, **changes) == (200, before | changes)


async def test_nothing_sent_changes_nothing(market: Market) -> None:
    promo = await scheduled(market, await market.item(), max_units=5, promo_price="700.00")
    staff = await market.staff()
    before = await market.stored()
    answer = await market.client.patch(f"/admin/promos/{promo}/", json={}, headers=staff)
    assert answer.status_code == 200
    assert answer.json() == (await market.client.get(f"/admin/promos/{promo}/", headers=staff)).json()
    assert await market.stored() == before


@pytest.mark.parametrize("status", ["active", "finished", "cancelled"])
async def test_not_after_the_start(market: Market, status: str) -> None:
    promo, staff = await market.promo(await market.item()), await market.staff()
    if status == "finished":
        await market.end(promo)
    if status == "cancelled":
        await market.move(promo, cancelled_at=now())
    before = await market.stored()
    answer = await market.client.patch(f"/admin/promos/{promo}/", json={"radius_m": 5}, headers=staff)
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": f"A promotion that is {status} cannot be changed.",
        "code": f"promo_{status}",
    }
    assert await market.stored() == before


async def test_the_checks_are_those_of_the_creation(market: Market) -> None:
    promo, staff = await scheduled(market, await market.item(), max_units=5), await market.staff()
    before = await market.stored()
    for field, value, messages in ONE_FIELD:
        answer = await market.client.patch(f"/admin/promos/{promo}/", json={field: value}, headers=staff)
        assert (answer.status_code, answer.json()) == (400, {field: messages}), (field, value)
    assert await market.stored() == before


async def test_what_is_sent_is_checked_against_what_stays(market: Market) -> None:
    promo = await scheduled(market, await market.item(), promo_price="700.00")
    both = {"non_field_errors": ["Give promo_price or discount_percent, not both."]}
    assert await patch(market, promo, discount_percent="10") == (400, both)
    late = {"ends_at": ["ends_at must be after starts_at."]}
    assert await patch(market, promo, starts_at=wire(now() + 3 * HOUR)) == (400, late)
    assert await patch(market, promo, ends_at=wire(now() + MINUTE)) == (400, late)
    past = {"ends_at": ["ends_at must be in the future."]}
    gone = {"starts_at": wire(now() - HOUR), "ends_at": wire(now() - MINUTE)}
    assert await patch(market, promo, **gone) == (400, past)
    cheap = await market.item(base_price="500.00")
    assert await patch(market, promo, store_product=cheap.id) == (
        400,
        {"promo_price": ["Ensure this value is less than or equal to 500.00."]},
    )
    assert await patch(market, promo, starts_at="x", radius_m=0, segments=None) == (
        400,
        {"starts_at": DATETIME, "radius_m": AT_LEAST_1, "segments": NULL},
    )


async def test_a_store_price_that_fell_since_does_not_stand_in_the_way_of_other_changes(market: Market) -> None:
    item = await market.item()
    promo = await scheduled(market, item, promo_price="700.00")
    await market.run("UPDATE store_product SET base_price = 600 WHERE id = :id", id=item.id)
    assert (await patch(market, promo, radius_m=500))[0] == 200
    assert (await patch(market, promo, promo_price="650.00"))[0] == 400


async def test_a_start_moved_into_the_past_begins_at_once(market: Market) -> None:
    promo = await scheduled(market, await market.item())
    status, body = await patch(market, promo, starts_at=wire(now() - MINUTE))
    assert (status, body["status"]) == (200, "active")
    assert len(await market.active(await market.buyer())) == 1
    assert (await patch(market, promo, radius_m=1))[0] == 400


async def test_an_owner_moves_a_promotion_among_the_own_stores_only(market: Market) -> None:
    owner = await make_user(market.db)
    mine = [await market.item(store=await make_store(market.db, owner=owner)) for _ in range(2)]
    foreign = await market.item()
    promo = await scheduled(market, mine[0])
    for item, status in ((mine[1], 200), (foreign, 403)):
        answer = await market.client.patch(
            f"/admin/promos/{promo}/", json={"store_product": item.id}, headers=market.headers(owner)
        )
        assert answer.status_code == status
    assert await market.pool_of(promo) == mine[1].pool_id


@pytest.mark.parametrize("step", ["_offer", "_log"])
async def test_not_while_it_starts(market: Market, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """It began between the look at it and the change, or between the change and its end: it is not changed any more."""
    promo = await market.promo(await market.item(), starts_at=now() + HOUR / 7200, ends_at=now() + HOUR)
    unhurried = getattr(PromoService, step)

    async def until_it_began(service: PromoService, *arguments: Any) -> Any:
        await service.session.execute(
            text("SELECT pg_sleep_until(starts_at) FROM flash_promo WHERE id = :id"), {"id": promo}
        )
        return await unhurried(service, *arguments)

    monkeypatch.setattr(PromoService, step, until_it_began)
    before, jobs = await market.stored(), await market.value("SELECT count(*) FROM procrastinate_jobs")
    for changes in ({"promo_price": "1.00"}, {"max_units": 3, "starts_at": wire(now() + HOUR / 2)}):
        refused = {"detail": "A promotion that is active cannot be changed.", "code": "promo_active"}
        assert await patch(market, promo, **changes) == (400, refused)
    monkeypatch.undo()
    after = await market.stored()
    assert {**after, "profiles": None} == {**before, "profiles": None}
    assert await market.value("SELECT count(*) FROM procrastinate_jobs") == jobs
