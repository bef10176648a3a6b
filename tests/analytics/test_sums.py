"""The sums are those of the orders, whatever happened to them, in whatever order, folded or not."""

import asyncio
import datetime as dt
import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import registry
from app.cli.demo.loading import empty
from app.domain.analytics import queries
from app.domain.analytics.service import AnalyticsService
from app.domain.orders.states import STATUSES
from app.jobs.analytics import fold_sales
from app.jobs.work import Work
from app.settings import Settings
from tests.analytics.conftest import SELL, Sell

registry.load()
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
MINUTES = 60 * 24 * 90
ZONES = ("America/Argentina/Buenos_Aires", "Asia/Kathmandu", "Europe/Madrid", "Pacific/Chatham", "UTC")
LATEST = "(SELECT max(id) FROM orders)"


def state(chance: random.Random) -> dict[str, Any]:
    status = chance.choice(STATUSES)
    archived_from = chance.choice([*STATUSES, None]) if status == "archived" else None
    return {"status": status, "archived_from": archived_from, "temporary": chance.random() < 0.1}


async def give_back(chance: random.Random, session: AsyncSession) -> None:
    """Some of what was captured of the latest order, or all of it; more may have been captured than it cost."""
    captured = Decimal(chance.randrange(1, 10**8)) / 100
    refunded = (captured * chance.choice([0, 25, 50, 100]) / 100).quantize(Decimal("0.01"))
    statement = (
        "INSERT INTO payment (order_id, status, amount, captured_amount)"
        " SELECT id, 'approved', total, :captured FROM orders ORDER BY id DESC LIMIT 1 ON CONFLICT DO NOTHING"
    )
    await session.execute(text(statement), {"captured": captured})
    statement = (
        "UPDATE payment SET captured_amount = :captured, refunded_amount = :refunded,"
        f" status = 'approved' WHERE order_id = {LATEST}"
    )
    await session.execute(text(statement), {"captured": captured, "refunded": refunded})


async def change(chance: random.Random, session: AsyncSession) -> None:
    """Something that a shop or its staff may do to orders."""
    total = Decimal(chance.randrange(0, 10**8)) / 100
    at = START + dt.timedelta(minutes=chance.randrange(MINUTES))
    match chance.randrange(9):
        case 0 | 1 | 2:
            await session.execute(SELL, {**state(chance), "total": total, "at": at})
        case 3:
            values = {**state(chance), "n": chance.randrange(1, 6), "m": chance.randrange(6)}
            await session.execute(
                text(
                    "UPDATE orders SET status = :status, archived_from = :archived_from, is_temporary = :temporary"
                    " WHERE id % :n = :m % :n"
                ),
                values,
            )
        case 4:
            changed = f"UPDATE orders SET subtotal = :total, total = :total, created_at = :at WHERE id = {LATEST}"
            await session.execute(text(changed), {"total": total, "at": at})
        case 5 | 6:
            await give_back(chance, session)
        case 7:
            await session.execute(text("DELETE FROM orders WHERE id % 11 = :m"), {"m": chance.randrange(11)})
        case _:
            await session.execute(queries.FOLD, {"limit": chance.randrange(1, 40)})


@pytest.mark.parametrize("seed", range(6))
async def test_they_agree_with_the_plain_query(db: AsyncSession, settings: Settings, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        for _ in range(chance.randrange(1, 4)):
            await change(chance, db)
        await (db.rollback() if chance.random() < 0.2 else db.commit())
    service = AnalyticsService(db, settings)
    assert await service.differences() == []
    for _ in range(10):
        zoned = msgspec.structs.replace(settings, time_zone=chance.choice(ZONES))
        first = START.date() + dt.timedelta(days=chance.randrange(80))
        last = first + dt.timedelta(days=chance.randrange(20))
        stats = (await AnalyticsService(db, zoned).sales("month", first, last)).stats
        midnight = [dt.datetime.combine(day, dt.time(), zoned.zone) for day in (first, last + dt.timedelta(days=1))]
        plain = (await db.execute(queries.SALES_OF_ORDERS, dict(zip(("since", "until"), midnight, strict=True)))).one()
        assert (stats.ventas, stats.ventas_pagadas, stats.facturacion) == (plain.sales, plain.paid, float(plain.net))
        assert sum(Decimal(str(point.value)) for point in stats.timeline) == plain.net
        assert sum(point.orders for point in stats.timeline) == plain.sales


async def test_orders_and_folding_at_once(db: AsyncSession, settings: Settings, sessions: Any) -> None:
    """Nobody waits for anybody, nothing is counted twice or lost."""

    async def sell(number: int) -> None:
        async with sessions() as session:
            for _ in range(10):
                values = {"status": "paid", "archived_from": None, "temporary": False}
                await session.execute(SELL, {**values, "total": Decimal(number), "at": START})
                await session.commit()

    async def fold() -> int:
        return sum([await fold_sales.run(Work(settings, sessions)) for _ in range(10)])

    await asyncio.gather(*(sell(number) for number in range(8)), fold(), fold())
    assert await AnalyticsService(db, settings).differences() == []
    await fold()
    kept = (await db.execute(text("SELECT sales, paid, net FROM sales_quarter"))).one()
    assert tuple(kept) == (80, 80, Decimal("280.00"))
    assert (await db.execute(text("SELECT count(*) FROM sales_delta"))).scalar_one() == 0


async def test_a_refund_beside_a_move_of_its_order(db: AsyncSession, settings: Settings, sessions: Any) -> None:
    """Each waits for the other, so that neither misses what the other has changed."""
    values = {"status": "paid", "archived_from": None, "temporary": False}

    async def run(statement: str, order_id: int) -> None:
        async with sessions() as session:
            await session.execute(text(statement), {"id": order_id})
            await session.commit()

    for _ in range(10):
        order_id = (await db.execute(SELL, {**values, "total": Decimal(100), "at": START})).scalar_one()
        made = "INSERT INTO payment (order_id, status, amount, captured_amount) VALUES (:id, 'approved', 100, 100)"
        await db.execute(text(made), {"id": order_id})
        await db.commit()
        await asyncio.gather(
            run("UPDATE payment SET refunded_amount = refunded_amount + 30 WHERE order_id = :id", order_id),
            run("UPDATE orders SET status = 'cancelled' WHERE id = :id", order_id),
            run("UPDATE orders SET status = 'shipped' WHERE id = :id", order_id),
            run("UPDATE payment SET refunded_amount = refunded_amount + 20 WHERE order_id = :id", order_id),
        )
    assert await AnalyticsService(db, settings).differences() == []


async def test_an_emptied_shop_has_sold_nothing(db: AsyncSession, sell: Sell) -> None:
    """Whatever is deleted first."""
    order_id = await sell("2024-03-02T10:00:00", "80.00")
    made = "INSERT INTO payment (order_id, status, amount, captured_amount, refunded_amount)"
    await db.execute(text(f"{made} VALUES (:id, 'approved', 80, 80, 30)"), {"id": order_id})
    await db.execute(queries.FOLD, {"limit": 100})
    await empty(db)
    await db.commit()
    kept = await db.execute(text("SELECT (SELECT count(*) FROM sales_delta), (SELECT count(*) FROM sales_quarter)"))
    assert tuple(kept.one()) == (0, 0)


async def test_what_was_written_past_the_triggers_is_seen(db: AsyncSession, settings: Settings) -> None:
    values = {"status": "paid", "archived_from": None, "temporary": False}
    await db.execute(SELL, {**values, "total": Decimal(5), "at": START})
    await db.execute(text("DELETE FROM sales_delta"))
    await db.commit()
    assert await AnalyticsService(db, settings).differences() == [START]
