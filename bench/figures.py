"""Statistics of five million orders over three years: each call's time in the database, and that it is exact."""

import asyncio
import datetime as dt
import statistics
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import create_engine, session_maker
from app.domain.analytics import queries
from app.domain.analytics.rules import PERIODS, PeriodName
from app.domain.analytics.service import AnalyticsService
from app.settings import Settings
from bench.audience import figure
from bench.dataset import Data

PART = "statistics"
ORDERS, CUSTOMERS = 5_000_000, 200_000
SHOP = Data(
    "relampago_bench_statistics",
    Path(__file__).with_name("figures_dataset.sql"),
    {"orders": ORDERS, "customers": CUSTOMERS},
)
MOST_MS = 150
Row = dict[str, Any]
Days = tuple[dt.date | None, dt.date | None]


def measure(url: str, secret: str, rounds: int) -> list[Row]:
    """Rows of the result. Raises SystemExit when a sum is not that of the orders."""
    return asyncio.run(_measure(Settings(database_url=url, database_admin_url=url, secret_key=secret), rounds))


async def _measure(settings: Settings, rounds: int) -> list[Row]:
    engine = create_engine(settings, name="bench")
    spent: list[float] = []
    began: list[float] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: began.append(time.perf_counter()))
    event.listen(engine.sync_engine, "after_cursor_execute", lambda *_: spent.append(time.perf_counter() - began.pop()))
    today = dt.datetime.now(settings.zone).date()
    whole = (today - dt.timedelta(days=3 * 365), today)
    asked: list[tuple[str, PeriodName, Days]] = [(name, name, (None, None)) for name in PERIODS]
    asked.append(("three years by day", "month", whole))
    rows = []
    try:
        async with session_maker(engine)() as session:
            service = AnalyticsService(session, settings)
            for label, name, days in asked:
                for what, call in (("sales", service.sales), ("users", service.users)):
                    taken = []
                    for _ in range(rounds):
                        spent.clear()
                        await call(name, *days)
                        taken.append(sum(spent) * 1000)
                    unit = "ms of database time"
                    rows.append(_row(f"{what}, {label}", unit, taken))
                    print(f"{what}, {label}: {statistics.median(taken):.1f} ms", flush=True)
            await _compare(session, service, settings, whole)
    finally:
        await engine.dispose()
    return rows


def _row(what: str, unit: str, taken: list[float]) -> Row:
    scenario = f"statistics of {ORDERS:,} orders: {what}"
    return figure(scenario, unit, statistics.median(taken), taken, most=MOST_MS) | {"part": PART}


async def _compare(
    session: AsyncSession, service: AnalyticsService, settings: Settings, days: tuple[dt.date, dt.date]
) -> None:
    """Three years beside the plain query over the orders, to the cent."""
    since, until = (dt.datetime.combine(day, dt.time(), settings.zone) for day in (days[0], days[1] + dt.timedelta(1)))
    begun = time.perf_counter()
    plain = (await session.execute(queries.SALES_OF_ORDERS, {"since": since, "until": until})).one()
    print(f"the plain query over the orders: {time.perf_counter() - begun:.1f} s", flush=True)
    stats = (await service.sales("month", *days)).stats
    if (stats.ventas, stats.ventas_pagadas, Decimal(repr(stats.facturacion))) != (plain.sales, plain.paid, plain.net):
        raise SystemExit(f"{stats.ventas, stats.ventas_pagadas, stats.facturacion} are not {tuple(plain)}")
