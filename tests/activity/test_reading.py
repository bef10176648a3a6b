"""`/api/activity-logs/`: what staff see of the audit log."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.settings import Settings
from tests.factories import bearer, make_staff, make_user

URL = "/api/activity-logs/"
NOON = dt.datetime(2026, 3, 10, 15, tzinfo=dt.UTC)  # noon in Buenos Aires
INSERT = text("""
    INSERT INTO activity_log (user_id, action, description, content_type, object_id, changes, timestamp, ip_address)
    VALUES (:user, :action, :description, :content_type, :object_id, '{"price": ["1.00", "2.00"]}', :at, :address)
    RETURNING id
""")


async def make_entry(db: AsyncSession, **given: Any) -> int:
    values = {
        "user": None, "action": "create", "description": "Nuevo producto creado: Mate", "content_type": "product",
        "object_id": "7", "at": NOON, "address": "203.0.113.9",
    }  # fmt: skip
    entry: int = (await db.execute(INSERT, values | given)).scalar_one()
    await db.commit()
    return entry


@pytest.fixture
async def admin(db: AsyncSession) -> User:
    return await make_staff(db)


@pytest.fixture
async def panel(client: httpx.AsyncClient, settings: Settings, admin: User) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the rights of staff."""
    client.headers.update(bearer(settings, admin))
    return client  # type: ignore[return-value]


async def found(panel: httpx.AsyncClient, **query: Any) -> list[int]:
    answer = await panel.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    return [entry["id"] for entry in answer.json()["results"]]


async def test_an_entry_as_the_contract_has_it(panel: httpx.AsyncClient, db: AsyncSession, admin: User) -> None:
    entry = await make_entry(db, user=admin.id)
    expected = {
        "id": entry,
        "user": admin.id,
        "user_username": admin.username,
        "action": "create",
        "description": "Nuevo producto creado: Mate",
        "content_type": 10,
        "content_type_name": "product",
        "object_id": "7",
        "changes": {"price": ["1.00", "2.00"]},
        "timestamp": "2026-03-10T15:00:00Z",
        "ip_address": "203.0.113.9",
    }
    assert (await panel.get(URL)).json() == {"count": 1, "next": None, "previous": None, "results": [expected]}
    assert (await panel.get(f"{URL}{entry}/")).json() == expected


async def test_nobody_did_it_from_nowhere(panel: httpx.AsyncClient, db: AsyncSession) -> None:
    entry = await make_entry(db, address=None)
    shown = (await panel.get(f"{URL}{entry}/")).json()
    assert (shown["user"], shown["user_username"], shown["ip_address"]) == (None, None, None)


async def test_an_unknown_entry(panel: httpx.AsyncClient) -> None:
    answer = await panel.get(f"{URL}999999999/")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


async def test_newest_first_six_a_page(panel: httpx.AsyncClient, db: AsyncSession) -> None:
    ids = [await make_entry(db, at=NOON + dt.timedelta(minutes=number // 2)) for number in range(8)]
    first = (await panel.get(URL)).json()
    assert (first["count"], len(first["results"]), first["next"]) == (8, 6, f"http://testserver{URL}?page=2")
    second = (await panel.get(first["next"])).json()
    assert [one["id"] for one in [*first["results"], *second["results"]]] == ids[::-1]
    assert await found(panel, page_size=3, page=2) == ids[::-1][3:6]
    assert (await panel.get(URL, params={"page": 3})).status_code == 404


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ({"action": "update"}, "b"),
        ({"action": "no-such-action"}, ""),
        ({"content_type": "order"}, "c"),
        ({"content_type": "gadget"}, ""),
        ({"object_id": "8"}, "b"),
        ({"object_id": "0008"}, "b"),
        ({"object_id": "6f1c2b34-0000-4000-8000-000000000000"}, "d"),
        ({"object_id": "9" * 40}, ""),
        ({"user_id": "9" * 40}, ""),
        ({"description": "ORDEN"}, "c"),
        ({"description": "100%"}, "d"),
        ({"description": "1__%"}, ""),
        ({"description": "  "}, "abcd"),
        ({"action": "create", "content_type": "product"}, "a"),
        ({"unknown": "1"}, "abcd"),
    ],
)
async def test_filters(panel: httpx.AsyncClient, db: AsyncSession, query: Mapping[str, str], kept: str) -> None:
    coupon = "6f1c2b34-0000-4000-8000-000000000000"
    ids = {
        await make_entry(db): "a",
        await make_entry(db, action="update", object_id="8"): "b",
        await make_entry(db, action="order", content_type="order", description="Nueva orden creada: 9"): "c",
        await make_entry(db, content_type="coupon", object_id=coupon, description="Cupón del 100% creado"): "d",
    }
    assert sorted(ids[entry] for entry in await found(panel, **query)) == list(kept)


async def test_by_user(panel: httpx.AsyncClient, db: AsyncSession, admin: User) -> None:
    other = await make_user(db)
    mine, _ = await make_entry(db, user=admin.id), await make_entry(db, user=other.id)
    assert await found(panel, user_id=admin.id) == [mine]


async def test_days_are_the_shops_and_both_ends_count(panel: httpx.AsyncClient, db: AsyncSession) -> None:
    """In Buenos Aires the tenth lasts from three in the morning to three of the next, by UTC."""
    begin, end = dt.datetime(2026, 3, 10, 3, tzinfo=dt.UTC), dt.datetime(2026, 3, 11, 3, tzinfo=dt.UTC)
    tick = dt.timedelta(microseconds=1)
    eve, first, last, morrow = [await make_entry(db, at=at) for at in (begin - tick, begin, end - tick, end)]
    assert await found(panel, date_from="2026-03-10", date_to="2026-03-10") == [last, first]
    assert await found(panel, date_from="2026-03-10") == [morrow, last, first]
    assert await found(panel, date_to="2026-03-10") == [last, first, eve]
    assert await found(panel, date_from="2026-03-11", date_to="2026-03-10") == []
    assert await found(panel, date_from="0001-01-01", date_to="9999-12-31") == [morrow, last, first, eve]


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        *(
            ("date_from", text, "Enter a valid date.")
            for text in ("2026-3-1", "20260301", "2026-02-30", "x", "2026-W01-1")
        ),
        ("date_to", "2026-13-01", "Enter a valid date."),
        ("user_id", "x", "Enter a number."),
        ("user_id", "-1", "Enter a number."),
        ("object_id", "x", "Enter a number."),
        ("object_id", "\u0661", "Enter a number."),
        ("description", "a\0b", "Null characters are not allowed."),
    ],
)
async def test_what_cannot_be_read_is_told(panel: httpx.AsyncClient, query: str, field: str, message: str) -> None:
    answer = await panel.get(URL, params={query: field})
    assert (answer.status_code, answer.json()) == (400, {query: [message]})


async def test_products_and_orders_apart(panel: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_entry(db)
    order = await make_entry(db, content_type="order", action="order")
    await make_entry(db, content_type="user", action="login")
    for path, entry in (("product_activity", product), ("order_activity", order)):
        page = (await panel.get(f"{URL}{path}/")).json()
        assert (page["count"], [one["id"] for one in page["results"]]) == (1, [entry])
    for number in range(7):
        await make_entry(db, object_id=str(number))
    page = (await panel.get(f"{URL}product_activity/?page=2")).json()
    assert (page["count"], len(page["results"])) == (8, 2)


async def test_stats(panel: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
    now = dt.datetime.now(settings.zone)
    midnight = dt.datetime.combine(now.date(), dt.time(), settings.zone)
    for at in (now, midnight, midnight - dt.timedelta(microseconds=1), now - dt.timedelta(days=8)):
        await make_entry(db, at=at)
    await make_entry(db, action="order", content_type="order", at=now)
    assert (await panel.get(f"{URL}stats/")).json() == {
        "total": 5,
        "by_action": {"create": 4, "order": 1},
        "by_content_type": {"order": 1, "product": 4},
        "today": 3,
        "last_7_days": 4,
    }


async def test_stats_of_nothing(panel: httpx.AsyncClient) -> None:
    empty = {"total": 0, "by_action": {}, "by_content_type": {}, "today": 0, "last_7_days": 0}
    assert (await panel.get(f"{URL}stats/")).json() == empty


async def test_the_log_outlives_its_users(panel: httpx.AsyncClient, db: AsyncSession) -> None:
    user = await make_user(db)
    entry = await make_entry(db, user=user.id)
    await db.execute(text("DELETE FROM users WHERE id = :id"), {"id": user.id})
    await db.commit()
    assert (await panel.get(f"{URL}{entry}/")).json()["user"] is None


@pytest.mark.parametrize("path", ["", "stats/", "product_activity/", "order_activity/", "1/"])
async def test_staff_alone_and_reading_alone(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, path: str
) -> None:
    user = bearer(settings, await make_user(db))
    assert (await client.get(URL + path)).status_code == 401
    assert (await client.get(URL + path, headers=user)).status_code == 403
    staff = bearer(settings, await make_staff(db))
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, URL + path, headers=staff)).status_code == 405
