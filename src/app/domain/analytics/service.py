"""Statistics of sales, visits and customers, exact at the moment they are read."""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.analytics import queries
from app.domain.analytics.rules import ONE_DAY, Period, PeriodName, average, change, period_of
from app.domain.analytics.schemas import (
    Analytics,
    AnalyticsChanges,
    AnalyticsCustomers,
    AnalyticsStats,
    SalesPoint,
    UserPoint,
    UserStatistics,
    UserStats,
)
from app.settings import Settings

NOTHING = (0, 0, Decimal("0.00"))


class AnalyticsService:
    """Reads in the caller's transaction; days are those of the shop's zone."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def sales(self, name: PeriodName, first: dt.date | None, last: dt.date | None) -> Analytics:
        """Orders of the period, by the day on which they were made, beside the period before. Raises Invalid."""
        period = await self._period(name, first, last)
        sums: dict[dt.date, tuple[int, int, Decimal]] = defaultdict(lambda: NOTHING)
        now = before = NOTHING
        for row in await self._rows(queries.SALES, period, "before", "since", "until", "step", "zone"):
            if row.is_now:
                point = period.point_of(row.day)
                sums[point] = _added(sums[point], row)
                now = _added(now, row)
            else:
                before = _added(before, row)
        stats = AnalyticsStats(
            ventas=now[0],
            ventas_pagadas=now[1],
            facturacion=float(now[2]),
            ticketPromedio=average(now[2], now[1]),
            visitas=sum(row.visits for row in await self._rows(queries.VISITS, period, "since", "until")),
            changes=AnalyticsChanges(ventas=change(now[0], before[0]), facturacion=change(now[2], before[2])),
            customers=AnalyticsCustomers(new=sum((await self._joined(period)).values()), total=await self._customers()),
            timeline=[SalesPoint(day, float(sums[day][2]), sums[day][0]) for day in period.points()],
        )
        return Analytics(stats, period.name, period.first, period.last)

    async def users(self, name: PeriodName, first: dt.date | None, last: dt.date | None) -> UserStatistics:
        """Customers by the day on which they joined. Raises Invalid."""
        period = await self._period(name, first, last)
        joined = await self._joined(period)
        points = [UserPoint(day, joined.get(day, 0)) for day in period.points()]
        return UserStatistics(UserStats(sum(joined.values()), await self._customers(), points))

    async def fold(self, limit: int) -> int:
        """Add noted changes to their quarters; of how many."""
        return int((await self.session.execute(queries.FOLD, {"limit": limit})).scalar_one())

    async def differences(self) -> list[dt.datetime]:
        """Quarters whose sums are not those of their orders: none, unless somebody wrote past the triggers."""
        return [row.quarter for row in await self.session.execute(queries.DIFFERENCES)]

    async def _period(self, name: PeriodName, first: dt.date | None, last: dt.date | None) -> Period:
        now: dt.datetime = (await self.session.execute(queries.NOW)).scalar_one()
        return period_of(name, now.astimezone(self.settings.zone).date(), first, last)

    async def _rows(self, statement: TextClause, period: Period, *names: str) -> list[Any]:
        if period.is_empty:
            return []
        values = {
            "before": self._start_of(period.before),
            "since": self._start_of(period.first),
            "until": self._start_of(period.last + ONE_DAY),
            "step": period.step,
            "zone": self.settings.time_zone,
        }
        return list(await self.session.execute(statement, {name: values[name] for name in names}))

    async def _joined(self, period: Period) -> dict[dt.date, int]:
        found: dict[dt.date, int] = defaultdict(int)
        for row in await self._rows(queries.NEW_CUSTOMERS, period, "since", "until", "step", "zone"):
            found[period.point_of(row.day)] += row.joined
        return found

    async def _customers(self) -> int:
        return int((await self.session.execute(queries.CUSTOMERS)).scalar_one())

    def _start_of(self, day: dt.date) -> dt.datetime:
        """A day's first instant in the shop's zone."""
        return dt.datetime.combine(day, dt.time(), self.settings.zone)


def _added(sums: tuple[int, int, Decimal], row: Any) -> tuple[int, int, Decimal]:
    return sums[0] + row.sales, sums[1] + row.paid, sums[2] + row.net
