"""`/api/statistics/`: exact figures, by the shop's days."""

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.analytics.conftest import ZONE, Ask, Sell, at
from tests.factories import bearer, make_staff, make_user

# Ten more than the order costs.
PAID = "INSERT INTO payment (order_id, status, amount, captured_amount) VALUES (:id, 'approved', 90, 100)"
MARCH = {"start_date": "2024-03-01", "end_date": "2024-03-03"}


async def test_a_period_beside_the_one_before(sell: Sell, ask: Ask) -> None:
    await sell("2024-02-26T23:59:59", "999.00")  # a day too early for either
    await sell("2024-02-27T00:00:00", "100.00")
    await sell("2024-02-29T23:59:59", "100.00")
    await sell("2024-03-01T00:00:00", "150.10", "paid")
    await sell("2024-03-01T12:00:00", "100.05", "shipped")
    await sell("2024-03-01T12:00:00", "50.00", "archived", archived_from="shipped")
    await sell("2024-03-03T23:59:59", "7.00", "pending")
    await sell("2024-03-03T23:59:59", "8.00", "payment_pending")
    await sell("2024-03-03T10:00:00", "9.00", "archived", archived_from="pending")
    await sell("2024-03-03T10:00:00", "0.85", "archived")
    await sell("2024-03-02T10:00:00", "1000.00", "archived", archived_from="abandoned")
    await sell("2024-03-02T10:00:00", "1000.00", "cancelled")
    await sell("2024-03-02T10:00:00", "1000.00", "abandoned")
    await sell("2024-03-02T10:00:00", "1000.00", "archived", archived_from="cancelled")
    await sell("2024-03-02T10:00:00", "1000.00", "pending", temporary=True)
    await sell("2024-03-04T00:00:00", "999.00")  # a day too late
    answer = await ask("analytics", period="week", **MARCH)
    assert list(answer) == ["stats", "period", "start_date", "end_date"]
    assert (answer["period"], answer["start_date"], answer["end_date"]) == ("week", "2024-03-01", "2024-03-03")
    assert answer["stats"] == {
        "ventas": 7,
        "ventas_pagadas": 5,
        "facturacion": 310.0,
        "ticketPromedio": 62.0,
        "visitas": 0,
        "changes": {"ventas": 250.0, "facturacion": 55.0},
        "customers": {"new": 0, "total": 0},
        "timeline": [
            {"date": "2024-03-01", "value": 300.15, "orders": 3},
            {"date": "2024-03-02", "value": 0.0, "orders": 0},
            {"date": "2024-03-03", "value": 9.85, "orders": 4},
        ],
    }


async def test_it_follows_what_becomes_of_orders(sell: Sell, ask: Ask, db: AsyncSession) -> None:
    """A late payment counts on the day of its order; what is given back, cancelled or gone counts no more."""

    async def figures() -> tuple[Any, ...]:
        await db.commit()
        stats = (await ask("analytics", **MARCH))["stats"]
        return stats["ventas"], stats["ventas_pagadas"], stats["facturacion"]

    order_id = await sell("2024-03-02T10:00:00", "80.00", "payment_pending")
    assert await figures() == (1, 0, 0.0)
    for change, expected in (
        ("UPDATE orders SET status = 'paid' WHERE id = :id", (1, 1, 80.0)),
        ("UPDATE orders SET subtotal = 90, total = 90 WHERE id = :id", (1, 1, 90.0)),
        ("SELECT fold_sales(100) WHERE :id > 0", (1, 1, 90.0)),
        ("UPDATE orders SET status = 'archived', archived_from = 'paid' WHERE id = :id", (1, 1, 90.0)),
        ("UPDATE orders SET archived_from = 'pending' WHERE id = :id", (1, 1, 90.0)),
        ("UPDATE orders SET archived_from = 'abandoned' WHERE id = :id", (0, 0, 0.0)),
        ("UPDATE orders SET archived_from = 'payment_pending' WHERE id = :id", (1, 1, 90.0)),
        ("UPDATE orders SET archived_from = 'cancelled' WHERE id = :id", (0, 0, 0.0)),
        ("UPDATE orders SET status = 'cancelled', archived_from = NULL WHERE id = :id", (0, 0, 0.0)),
        ("UPDATE orders SET status = 'shipped' WHERE id = :id", (1, 1, 90.0)),
        (PAID, (1, 1, 90.0)),
        ("UPDATE payment SET refunded_amount = 20 WHERE order_id = :id", (1, 1, 80.0)),
        ("UPDATE payment SET refunded_amount = 100 WHERE order_id = :id", (1, 1, 0.0)),
        ("UPDATE payment SET refunded_amount = 40.50 WHERE order_id = :id", (1, 1, 59.5)),
        ("UPDATE orders SET created_at = created_at + interval '7 days' WHERE id = :id", (0, 0, 0.0)),
        ("UPDATE orders SET created_at = created_at - interval '7 days' WHERE id = :id", (1, 1, 59.5)),
        ("DELETE FROM orders WHERE id = :id", (0, 0, 0.0)),
    ):
        await db.execute(text(change), {"id": order_id})
        assert await figures() == expected, change


async def test_months_of_a_year(sell: Sell, ask: Ask) -> None:
    for month in (1, 5, 5, 12):
        await sell(f"2023-{month:02}-15T10:00:00", "10.00")
    answer = await ask("analytics", period="year", start_date="2023-01-01", end_date="2023-12-31")
    timeline = answer["stats"]["timeline"]
    assert [point["date"] for point in timeline] == [f"2023-{month:02}-01" for month in range(1, 13)]
    assert [point["orders"] for point in timeline] == [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1]


async def test_without_anything_the_month_of_today(sell: Sell, ask: Ask) -> None:
    today = dt.datetime.now(ZONE).date()
    await sell(dt.datetime.now(ZONE).replace(tzinfo=None).isoformat(), "12.50")
    answer = await ask("analytics")
    assert answer["period"] == "month"
    assert answer["start_date"] == str(today.replace(day=1))
    assert sum(point["value"] for point in answer["stats"]["timeline"]) == 12.5
    assert answer["stats"]["changes"] == {"ventas": 100.0, "facturacion": 100.0}
    assert (await ask("analytics", period="day"))["stats"]["timeline"] == [
        {"date": str(today), "value": 12.5, "orders": 1}
    ]


async def test_visits_and_customers(ask: Ask, db: AsyncSession) -> None:
    for number, moment in enumerate(("2024-02-29T23:59:59", "2024-03-01T00:00:00", "2024-03-03T23:59:59")):
        await make_user(db, date_joined=at(moment))
        await db.execute(
            text("INSERT INTO visitor (ip_address, last_visit) VALUES (CAST(:ip AS inet), :at)"),
            {"ip": f"203.0.113.{number}", "at": at(moment)},
        )
    await make_user(db, date_joined=at("2024-03-02T10:00:00"), deleted_at=at("2024-03-02T11:00:00"), is_active=False)
    await make_staff(db, date_joined=at("2024-03-02T10:00:00"))
    await db.commit()
    stats = (await ask("analytics", **MARCH))["stats"]
    assert (stats["visitas"], stats["customers"]) == (2, {"new": 2, "total": 3})
    assert await ask("users", **MARCH) == {
        "stats": {
            "period_customers": 2,
            "total_customers": 3,
            "timeline": [
                {"date": "2024-03-01", "count": 1},
                {"date": "2024-03-02", "count": 0},
                {"date": "2024-03-03", "count": 1},
            ],
        }
    }


async def test_the_wrong_way_round_is_empty(sell: Sell, ask: Ask) -> None:
    await sell("2024-03-02T10:00:00", "80.00")
    answer = await ask("analytics", start_date="2024-03-03", end_date="2024-03-01")
    assert (answer["stats"]["ventas"], answer["stats"]["facturacion"], answer["stats"]["timeline"]) == (0, 0.0, [])
    assert (await ask("users", start_date="2024-03-03", end_date="2024-03-01"))["stats"]["timeline"] == []


@pytest.mark.parametrize("what", ["analytics", "users"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"period": "decade"}, "period"),
        ({"start_date": "2024-02-30"}, "start_date"),
        ({"end_date": "yesterday"}, "end_date"),
        ({"start_date": "0001-01-01", "end_date": "9999-12-31"}, "end_date"),
    ],
)
async def test_what_cannot_be_asked(ask: Ask, what: str, query: dict[str, str], field: str) -> None:
    assert list(await ask(what, 400, **query)) == [field]


@pytest.mark.parametrize("what", ["analytics", "users"])
async def test_staff_alone(client: httpx.AsyncClient, db: AsyncSession, settings: Settings, what: str) -> None:
    path = f"/api/statistics/{what}/"
    assert (await client.get(path)).status_code == 401
    assert (await client.get(path, headers=bearer(settings, await make_user(db)))).status_code == 403


def test_money_survives_json() -> None:
    """Sums of cents are exact as JSON numbers far beyond what a shop turns over."""
    for cents in (1, 10**13 + 1, 99_999_999_99):
        assert Decimal(repr(float(Decimal(cents) / 100))) == Decimal(cents) / 100
