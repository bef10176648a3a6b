"""Discounts by weekday: written, switched by hand, marked by the job; prices follow the clock alone."""

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from app.domain.marketing.schemas.scheduled import DAY_NAMES
from app.domain.marketing.service.scheduled import ScheduledDesk
from app.settings import Settings
from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import HOUR, make_scheduled
from tests.shop import People

PLANS = "/api/marketing/scheduled-discounts/"
D = Decimal
FIELDS = {
    *("id", "name", "description", "category", "category_name", "day_of_week", "day_name", "discount", "start_time"),
    *("end_time", "active", "valid_from", "valid_until", "last_applied", "last_removed", "is_active_now"),
    "affected_products_count",
}


async def price_of(client: httpx.AsyncClient, product: Product) -> str:
    body = {"products": [{"product_id": product.id, "quantity": 1}]}
    answer = await client.post("/api/cart/quote/", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["total"])


def today(settings: Settings) -> int:
    return dt.datetime.now(settings.zone).weekday()


def open_window(settings: Settings) -> dict[str, Any]:
    """A window that began twelve hours ago and lasts eleven more, whatever the hour: no test takes so long."""
    began = (dt.datetime.now(settings.zone) - 12 * HOUR).replace(microsecond=0)
    return {"day_of_week": began.weekday(), "start_time": began.time(), "end_time": (began + 23 * HOUR).time()}


async def test_the_life_of_a_discount(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings
) -> None:
    top = await make_category(db)
    product = await make_product(db, category=await make_category(db, parent_id=top.id), price=D(1000), discount=D(20))
    window = open_window(settings)
    times = {name: window[name].isoformat() for name in ("start_time", "end_time")}
    body = {"name": "Día", "category": top.id, "day_of_week": window["day_of_week"], "discount": "50", **times}
    made = await client.post(PLANS, json=body, headers=people.staff)
    assert made.status_code == 201, made.text
    shown = made.json()
    assert set(shown) == FIELDS
    assert (shown["discount"], {name: shown[name] for name in times}) == ("50.00", times)
    assert (shown["day_name"], shown["is_active_now"]) == (DAY_NAMES[window["day_of_week"]], True)
    assert (shown["category_name"], shown["affected_products_count"], shown["last_applied"]) == (top.name, 1, None)
    assert await price_of(client, product) == "500.00"
    path = f"{PLANS}{shown['id']}/"
    twice = await client.post(PLANS, json=body, headers=people.staff)
    assert (twice.status_code, list(twice.json())) == (400, ["non_field_errors"])
    off = await client.patch(path, json={"active": False}, headers=people.staff)
    assert (off.status_code, off.json()["is_active_now"]) == (200, False)
    assert await price_of(client, product) == "800.00"
    await client.patch(path, json={"active": True, "discount": "5"}, headers=people.staff)
    assert await price_of(client, product) == "800.00"
    whole = await client.put(path, json=body | {"discount": "60.5", "valid_from": None}, headers=people.staff)
    assert (whole.status_code, whole.json()["discount"]) == (200, "60.50")
    assert await price_of(client, product) == "395.00"
    assert (await client.delete(path, headers=people.staff)).status_code == 204
    assert await price_of(client, product) == "800.00"
    assert (await db.execute(select(Product.discount).where(Product.id == product.id))).scalar_one() == 20
    assert (await client.get(path, headers=people.staff)).status_code == 404


async def test_a_category_goes_while_its_discount_is_edited(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    """Both lock the category first: neither waits for the other in a circle."""
    for _ in range(5):
        category = await make_category(db)
        plan = await make_scheduled(db, category)
        edits = [
            client.patch(f"{PLANS}{plan.id}/", json={"category": category.id, "discount": n}, headers=people.staff)
            for n in range(6)
        ]
        gone = client.delete(f"/api/categories/{category.id}/", headers=people.staff)
        answers = await asyncio.gather(*edits[:3], gone, *edits[3:])
        assert answers[3].status_code == 204
        assert {answer.status_code for answer in answers} <= {200, 204, 400, 404}
        assert (await db.execute(text("SELECT count(*) FROM scheduled_discount"))).scalar_one() == 0
        await db.commit()


async def test_without_times_it_is_the_whole_day(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    body = {"name": "Día", "category": (await make_category(db)).id, "day_of_week": 5, "discount": "50"}
    shown = (await client.post(PLANS, json=body, headers=people.staff)).json()
    assert (shown["start_time"], shown["end_time"], shown["day_name"]) == ("00:00:00", "23:59:59", "Sábado")
    assert (shown["active"], shown["description"], shown["valid_from"], shown["valid_until"]) == (True, "", None, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"discount": "101"}, "discount"),
        ({"discount": "-1"}, "discount"),
        ({"day_of_week": 7}, "day_of_week"),
        ({"day_of_week": -1}, "day_of_week"),
        ({"start_time": "25:00"}, "start_time"),
        ({"start_time": "23:59:59"}, "end_time"),
        ({"category": 999_999_999}, "category"),
        ({"valid_from": "2026-12-02", "valid_until": "2026-12-01"}, "valid_until"),
        ({"name": ""}, "name"),
    ],
)
async def test_what_is_no_discount(
    client: httpx.AsyncClient, db: AsyncSession, people: People, change: dict[str, Any], field: str
) -> None:
    category = await make_category(db)
    body = {"name": "Sábado", "category": category.id, "day_of_week": 5, "discount": "15"}
    refused = await client.post(PLANS, json=body | change, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, [field])
    plan = await make_scheduled(db, category)
    refused = await client.patch(f"{PLANS}{plan.id}/", json=change, headers=people.staff)
    assert (refused.status_code, list(refused.json())) == (400, [field])


async def test_by_hand(client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings) -> None:
    category = await make_category(db)
    product = await make_product(db, category=category, price=D(1000))
    plan = await make_scheduled(db, category, discount=D(15), day_of_week=(today(settings) + 3) % 7)

    async def switch(how: str) -> tuple[int, bool, str]:
        answer = await client.post(f"{PLANS}{plan.id}/{how}/", headers=people.staff)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert set(found) == {"message", "affected_products", "promotion"}
        return found["affected_products"], found["promotion"]["is_active_now"], await price_of(client, product)

    assert await switch("remove_now") == (0, False, "1000.00")
    assert await switch("apply_now") == (1, True, "850.00")
    assert await switch("apply_now") == (0, True, "850.00")
    shown = (await client.get(f"{PLANS}{plan.id}/", headers=people.staff)).json()
    assert (shown["last_applied"] is None, shown["last_removed"]) == (False, None)
    until = (await db.execute(text("SELECT override_until FROM scheduled_discount"))).scalar_one()
    assert until.astimezone(settings.zone).weekday() == plan.day_of_week
    assert await switch("remove_now") == (1, False, "1000.00")
    assert await switch("remove_now") == (0, False, "1000.00")


async def test_by_hand_within_its_window(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings
) -> None:
    category = await make_category(db)
    product = await make_product(db, category=category, price=D(1000))
    window = open_window(settings)
    plan = await make_scheduled(db, category, discount=D(15), **window)
    removed = (await client.post(f"{PLANS}{plan.id}/remove_now/", headers=people.staff)).json()
    assert (removed["affected_products"], await price_of(client, product)) == (1, "1000.00")
    again = (await client.post(f"{PLANS}{plan.id}/apply_now/", headers=people.staff)).json()
    assert (again["affected_products"], await price_of(client, product)) == (1, "850.00")
    await client.post(f"{PLANS}{plan.id}/remove_now/", headers=people.staff)
    # Who edits when it is on has decided anew.
    earlier = (dt.datetime.combine(dt.date(2026, 1, 2), window["end_time"]) - HOUR).time()
    await client.patch(f"{PLANS}{plan.id}/", json={"end_time": earlier.isoformat()}, headers=people.staff)
    assert await price_of(client, product) == "850.00"


async def test_the_job_marks_and_changes_no_price(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings
) -> None:
    category = await make_category(db)
    product = await make_product(db, category=category, price=D(1000))
    window = open_window(settings)
    on = await make_scheduled(db, category, **window)
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    over = await make_scheduled(db, category, day_of_week=(window["day_of_week"] + 3) % 7, last_applied=past)
    preview = (await client.post(f"{PLANS}preview_apply/", headers=people.staff)).json()
    assert [each["id"] for each in preview["would_apply"]] == [str(on.id)]
    assert [each["id"] for each in preview["would_remove"]] == [str(over.id)]
    assert set(preview) == {"would_apply", "would_remove", "checked_at"}
    assert await price_of(client, product) == "850.00"
    done = [await ScheduledDesk(db, settings).apply_due() for _ in range(2)]
    await db.commit()
    assert [(each.applied, each.removed, each.affected_products) for each in done] == [(1, 1, 2), (0, 0, 0)]
    assert await price_of(client, product) == "850.00"
    preview = (await client.post(f"{PLANS}preview_apply/", headers=people.staff)).json()
    assert (preview["would_apply"], preview["would_remove"]) == ([], [])


async def test_lists(client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings) -> None:
    first, second = await make_category(db), await make_category(db)
    day = today(settings)
    a = await make_scheduled(db, first, day_of_week=day, start_time=dt.time(0), end_time=dt.time(0, 0, 1))
    b = await make_scheduled(db, second, day_of_week=day, active=False)
    c = await make_scheduled(db, second, day_of_week=(day + 1) % 7)
    queries = {"": [c, b, a], "?active=true": [c, a], f"?day={day}": [b, a], f"?category={second.id}": [c, b]}
    for query, expected in queries.items():
        page = (await client.get(PLANS + query, headers=people.staff)).json()
        assert [row["id"] for row in page["results"]] == [str(each.id) for each in expected], query
    assert (await client.get(f"{PLANS}?day=7", headers=people.staff)).status_code == 400
    of_day = {day: a, (day + 1) % 7: c}
    asked_on = today(settings)
    found = (await client.get(f"{PLANS}today/", headers=people.staff)).json()
    # Two days, should midnight pass meanwhile.
    assert [row["id"] for row in found] in [[str(of_day[each].id)] for each in (asked_on, today(settings))]
    days = (await client.get(f"{PLANS}by_day/", headers=people.staff)).json()
    assert [(each["day_of_week"], each["day_name"]) for each in days] == list(enumerate(DAY_NAMES))
    assert len(days[day]["discounts"]) == 2
    for path in (PLANS, f"{PLANS}today/", f"{PLANS}by_day/", f"{PLANS}{a.id}/"):
        assert (await client.get(path, headers=people.shopper)).status_code == 403
        assert (await client.get(path)).status_code == 401
