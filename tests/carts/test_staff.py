"""Carts as staff see them: by the clock, whether or not a job has run."""

import asyncio
import datetime as dt
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.carts.visiting import CARTS, line, put, row_of, see, silent_for
from tests.factories_catalog import make_product
from tests.shop import People

NONE = {
    **dict.fromkeys(("total_count", "recovered_count", "converted_count", "abandoned_count", "active_count"), 0),
    "average_value": "0.00",
    "abandonment_rate": 0.0,
    "recovery_rate": 0.0,
    "average_time_to_recovery": "0 hours",
    "most_abandoned_products": [],
    "period": "month",
}


async def new_cart(client: httpx.AsyncClient, db: AsyncSession, silent: str = "0 seconds") -> int:
    cart_id: int = (await put(client, line(await make_product(db)))).json()["cart_id"]
    await silent_for(db, cart_id, silent)
    return cart_id


async def listed(client: httpx.AsyncClient, people: People, **query: object) -> list[int]:
    answer = await client.get(CARTS, params={name: str(value) for name, value in query.items()}, headers=people.staff)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"count", "next", "previous", "results"}
    return [cart["id"] for cart in answer.json()["results"]]


@pytest.mark.parametrize(
    "case",
    [
        ("4 hours 59 minutes", "active", ""),
        ("5 hours 1 second", "abandoned", "0 minutos"),
        ("5 hours 1 minute 1 second", "abandoned", "1 minuto"),
        ("10 hours 1 second", "abandoned", "5 horas"),
        ("29 days 23 hours", "abandoned", "29 días"),
        ("30 days 1 second", "expired", "29 días"),
    ],
)
async def test_silence_decides_before_any_job(
    client: httpx.AsyncClient, db: AsyncSession, people: People, case: tuple[str, str, str]
) -> None:
    silent, status, said = case
    cart_id = await new_cart(client, db, silent)
    cart = await see(client, cart_id, people.staff)
    assert (cart["status"], cart["time_abandoned"]) == (status, said)
    assert (await listed(client, people, status=status)) == [cart_id]
    assert (await listed(client, people)) == ([] if status == "active" else [cart_id])
    row = await row_of(db, cart_id)
    assert row["status"] == "active"
    if status != "active":
        since = dt.datetime.fromisoformat(cart["abandoned_at"])
        assert since == row["last_activity"] + dt.timedelta(hours=5)


async def test_identify_writes_down_what_readers_see(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    active, left = await new_cart(client, db, "4 hours 59 minutes"), await new_cart(client, db, "6 hours")
    shown = await see(client, left, people.staff)
    answer = await client.post(f"{CARTS}identify/", headers=people.staff)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "identified_count": 1,
        "message": "Carritos abandonados identificados: 1",
    }
    assert (await row_of(db, active))["status"] == "active"
    assert (await row_of(db, left))["status"] == "abandoned"
    assert (await see(client, left, people.staff)) == shown
    again = await client.post(f"{CARTS}identify/", headers=people.staff)
    assert again.json()["identified_count"] == 0
    columns = "user_id IS NOT NULL, action, object_id, description, changes"
    logged = await db.execute(text(f"SELECT {columns} FROM activity_log WHERE content_type = 'abandonedcart'"))
    changes = {"status": ["active", "abandoned"]}
    assert logged.all() == [(True, "status_change", "0", "Carritos abandonados identificados: 1", changes)]


async def test_an_update_starts_the_clock_again(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    first = (await put(client, line(product))).json()
    await silent_for(db, first["cart_id"], "6 hours")
    await client.post(f"{CARTS}identify/", headers=people.staff)
    await put(client, line(product), anonymous_id=first["anonymous_id"])
    cart = await see(client, first["cart_id"], people.staff)
    assert (cart["status"], cart["abandoned_at"]) == ("active", None)


@pytest.mark.parametrize("written", [False, True])
async def test_an_abandoned_cart_is_recovered_once(
    client: httpx.AsyncClient, db: AsyncSession, people: People, written: bool
) -> None:
    cart_id = await new_cart(client, db, "8 hours")
    if written:
        await client.post(f"{CARTS}identify/", headers=people.staff)
    answers = await asyncio.gather(*(client.post(f"{CARTS}{cart_id}/recover/", headers=people.staff) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]
    good = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (good["success"], good["message"], set(good)) == (True, "Carrito recuperado", {"success", "message", "cart"})
    assert (good["cart"]["status"], good["cart"]["time_abandoned"]) == ("recovered", "3 horas")
    assert good["cart"]["recovered_at"] is not None
    bad = next(answer.json() for answer in answers if answer.status_code == 400)
    assert bad == {"error": "El carrito no está abandonado", "code": "cart_not_abandoned"}
    found = (await client.get(f"{CARTS}statistics/", headers=people.staff)).json()
    assert (found["recovered_count"], found["total_count"], found["average_time_to_recovery"]) == (1, 1, "3 hours")
    logged = await db.execute(
        text("SELECT action, object_id FROM activity_log WHERE content_type = 'abandonedcart' AND object_id != '0'")
    )
    assert logged.all() == [("status_change", str(cart_id))]


@pytest.mark.parametrize("status", ["active", "converted", "expired"])
async def test_only_abandoned_carts_are_recovered(
    client: httpx.AsyncClient, db: AsyncSession, people: People, status: str
) -> None:
    cart_id = await new_cart(client, db, "31 days" if status == "expired" else "1 hour")
    if status == "converted":
        await db.execute(text("UPDATE cart SET status = 'converted', converted_order_id = 7"))
        await db.commit()
    before = await row_of(db, cart_id)
    answer = await client.post(f"{CARTS}{cart_id}/recover/", headers=people.staff)
    assert answer.status_code == 400
    assert await row_of(db, cart_id) == before
    assert (await client.post(f"{CARTS}999999999/recover/", headers=people.staff)).status_code == 404


async def test_filters(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    fresh, old = await new_cart(client, db, "6 hours"), await new_cart(client, db, "3 days")
    await db.execute(text("UPDATE cart SET user_id = :user WHERE id = :id"), {"user": people.shopper_id, "id": old})
    await db.commit()
    assert await listed(client, people) == [fresh, old]
    assert await listed(client, people, days=2) == [fresh]
    assert await listed(client, people, days=10**12) == [fresh, old]
    assert await listed(client, people, user_id=people.shopper_id) == [old]
    assert await listed(client, people, user_id=people.shopper_id, days=1) == []
    assert await listed(client, people, page_size=1, page=2) == [old]
    for query in ({"status": "gone"}, {"days": "x"}, {"days": "-1"}, {"user_id": "x"}):
        answer = await client.get(CARTS, params=query, headers=people.staff)
        assert (answer.status_code, set(answer.json())) == (400, set(query))


async def test_statistics(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    path = f"{CARTS}statistics/"
    assert (await client.get(path, headers=people.staff)).json() == NONE
    cheap, dear = await make_product(db, price=Decimal("100.00")), await make_product(db, price=Decimal("250.01"))
    ids = [(await put(client, line(dear), line(dear))).json()["cart_id"]]
    ids += [(await put(client, line(cheap), line(dear, 2))).json()["cart_id"]]
    ids += [(await put(client, line(cheap))).json()["cart_id"] for _ in range(3)]
    for cart_id in ids[:3]:
        await silent_for(db, cart_id, "7 hours 40 minutes")
    await client.post(f"{CARTS}{ids[2]}/recover/", headers=people.staff)
    await db.execute(
        text("UPDATE cart SET status = 'converted', converted_order_id = 7 WHERE id = :id"), {"id": ids[3]}
    )
    await db.commit()
    answer = await client.get(path, headers=people.staff)
    assert answer.json() == {
        "total_count": 5,
        "recovered_count": 1,
        "converted_count": 1,
        "abandoned_count": 2,
        "active_count": 1,
        "average_value": "550.02",
        "abandonment_rate": 40.0,
        "recovery_rate": 50.0,
        "average_time_to_recovery": "3 hours",
        "most_abandoned_products": [
            {"product_id": dear.id, "name": dear.name, "count": 2},
            {"product_id": cheap.id, "name": cheap.name, "count": 1},
        ],
        "period": "month",
    }


async def test_statistics_of_a_time(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    cart_id = await new_cart(client, db)
    ages = {"week": 8, "month": 31, "quarter": 91, "year": 366}
    for period, days in ages.items():
        move = text("UPDATE cart SET created_at = now() - make_interval(days => :days) WHERE id = :id")
        for age, expected in ((days, 0), (days - 2, 1)):
            await db.execute(move, {"id": cart_id, "days": age})
            await db.commit()
            found = (await client.get(f"{CARTS}statistics/", params={"period": period}, headers=people.staff)).json()
            assert (found["period"], found["total_count"]) == (period, expected)
    await db.execute(text("UPDATE cart SET created_at = '2026-03-05T02:30:00Z'"))
    await db.commit()
    # 4 March, 23:30 in Buenos Aires. Dates win over the period.
    for first, last, expected in (
        *(("2026-03-04", "2026-03-04", 1), ("2026-03-05", None, 0), (None, "2026-03-03", 0)),
        *((None, "2026-03-04", 1), ("2026-03-05", "2026-03-01", 0)),
    ):
        query = {"period": "week"} | ({"start_date": first} if first else {}) | ({"end_date": last} if last else {})
        found = (await client.get(f"{CARTS}statistics/", params=query, headers=people.staff)).json()
        assert (found["total_count"], found["period"]) == (expected, "week")


@pytest.mark.parametrize("query", [{"period": "day"}, {"start_date": "x"}, {"end_date": "2026-02-30"}])
async def test_wrong_times_are_refused(client: httpx.AsyncClient, people: People, query: dict[str, str]) -> None:
    answer = await client.get(f"{CARTS}statistics/", params=query, headers=people.staff)
    assert (answer.status_code, set(answer.json())) == (400, set(query))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "statistics/"), ("GET", "7/"), ("POST", "identify/"), ("POST", "7/recover/")],
)
async def test_staff_alone(client: httpx.AsyncClient, people: People, method: str, path: str) -> None:
    for headers, status in ((people.nobody, 401), (people.shopper, 403), (people.owner, 403)):
        assert (await client.request(method, f"{CARTS}{path}", headers=headers)).status_code == status
