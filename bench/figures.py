"""Statistics of orders over three years: each call's time in the database, and that it is exact."""

import asyncio
import datetime as dt
import statistics
import time
from decimal import Decimal
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import create_engine, session_maker
from app.domain.analytics import queries
from app.domain.analytics.rules import PERIODS, PeriodName
from app.domain.analytics.service import AnalyticsService
from app.settings import Settings
from bench.audience_subjects import count_seconds
from bench.context import Bench
from bench.dataset import Data
from bench.rows import Row, row

PART = "statistics"
FILL = Path(__file__).with_name("figures_dataset.sql")
ORDERS_A_CUSTOMER = 25
MOST_MS = 150
Days = tuple[dt.date | None, dt.date | None]


def data_of(orders: int) -> Data:
    return Data(
        f"relampago_bench_statistics_{orders}", FILL, {"orders": orders, "customers": orders // ORDERS_A_CUSTOMER}
    )


def measure(bench: Bench) -> list[Row]:
    """Rows of the result. Raises SystemExit when a sum is not that of the orders."""
    orders = bench.mode.orders
    taken = asyncio.run(times(bench.database(data_of(orders)), bench.secret, bench.mode.rounds))
    return [
        row(PART, f"statistics of {orders:,} orders: {what}", "ms of database time", of, most=MOST_MS)
        for what, of in taken.items()
    ]


async def times(url: str, secret: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of the statements of each call, once for each round; then the sums are compared."""
    settings = Settings(database_url=url, database_admin_url=url, secret_key=secret)
    engine = create_engine(settings, name="bench")
    spent = count_seconds(engine)
    today = dt.datetime.now(settings.zone).date()
    whole = (today - dt.timedelta(days=3 * 365), today)
    asked: list[tuple[str, PeriodName, Days]] = [(name, name, (None, None)) for name in PERIODS]
    asked.append(("three years by day", "month", whole))
    taken: dict[str, list[float]] = {}
    try:
        async with session_maker(engine)() as session:
            service = AnalyticsService(session, settings)
            for label, name, days in asked:
                for what, call in (("sales", service.sales), ("users", service.users)):
                    found = taken[f"{what}, {label}"] = []
                    for _ in range(rounds):
                        spent.clear()
                        await call(name, *days)
                        found.append(sum(spent) * 1000)
                    print(f"{what}, {label}: {statistics.median(found):.1f} ms", flush=True)
            await _compare(session, service, settings, whole)
    finally:
        await engine.dispose()
    return taken


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
