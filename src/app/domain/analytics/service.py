"""Statistics of sales, visits and customers, exact at the moment they are read."""

import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

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


class _Sums(NamedTuple):
    """Orders, those of them that are paid, and what these brought, net."""

    sales: int
    paid: int
    net: Decimal


NOTHING = _Sums(0, 0, Decimal("0.00"))


class AnalyticsService:
    """Reads in the caller's transaction; days are those of the shop's zone."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def sales(self, name: PeriodName, first: dt.date | None, last: dt.date | None) -> Analytics:
        """Orders of the period, by the day on which they were made, beside the period before. Raises Invalid."""
        period = await self._period(name, first, last)
        # The first step is the whole period before.
        rows = await self._rows(queries.SALES, [period.before, *period.points()], period)
        before, sums = rows.pop(0, None), {step: _Sums(row.sales, row.paid, row.net) for step, row in rows.items()}
        now = _Sums(*(sum(column) for column in zip(*sums.values(), strict=True))) if sums else NOTHING
        was = NOTHING if before is None else _Sums(before.sales, before.paid, before.net)
        visits = await self._rows(queries.VISITS, [period.first], period)
        stats = AnalyticsStats(
            ventas=now.sales,
            ventas_pagadas=now.paid,
            facturacion=float(now.net),
            ticketPromedio=average(now.net, now.paid),
            visitas=sum(row.visits for row in visits.values()),
            changes=AnalyticsChanges(ventas=change(now.sales, was.sales), facturacion=change(now.net, was.net)),
            customers=AnalyticsCustomers(new=sum(await self._joined(period)), total=await self._customers()),
            timeline=[_point(day, sums.get(step, NOTHING)) for step, day in enumerate(period.points(), start=1)],
        )
        return Analytics(stats, period.name, period.first, period.last)

    async def users(self, name: PeriodName, first: dt.date | None, last: dt.date | None) -> UserStatistics:
        """Customers by the day on which they joined. Raises Invalid."""
        period = await self._period(name, first, last)
        joined = await self._joined(period)
        points = [UserPoint(day, count) for day, count in zip(period.points(), joined, strict=True)]
        return UserStatistics(UserStats(sum(joined), await self._customers(), points))

    async def fold(self, limit: int) -> int:
        """Add noted changes to their quarters; of how many."""
        return int((await self.session.execute(queries.FOLD, {"limit": limit})).scalar_one())

    async def differences(self) -> list[dt.datetime]:
        """Quarters whose sums are not those of their orders: none, unless somebody wrote past the triggers."""
        return [row.quarter for row in await self.session.execute(queries.DIFFERENCES)]

    async def _period(self, name: PeriodName, first: dt.date | None, last: dt.date | None) -> Period:
        now: dt.datetime = (await self.session.execute(queries.NOW)).scalar_one()
        return period_of(name, now.astimezone(self.settings.zone).date(), first, last)

    async def _rows(self, statement: TextClause, steps: list[dt.date], period: Period) -> dict[int, Any]:
        """Rows by the number of their step; the last step ends with the period."""
        if period.is_empty:
            return {}
        starts = [self._start_of(day) for day in steps]
        values = {"since": starts[0], "until": self._start_of(period.last + ONE_DAY), "starts": starts}
        return {row.step - 1: row for row in await self.session.execute(statement, values)}

    async def _joined(self, period: Period) -> list[int]:
        """How many customers each point of the timeline brought."""
        rows = await self._rows(queries.NEW_CUSTOMERS, period.points(), period)
        return [rows[step].joined if step in rows else 0 for step in range(len(period.points()))]

    async def _customers(self) -> int:
        return int((await self.session.execute(queries.CUSTOMERS)).scalar_one())

    def _start_of(self, day: dt.date) -> dt.datetime:
        """A day's first instant in the shop's zone."""
        return dt.datetime.combine(day, dt.time(), self.settings.zone)


def _point(day: dt.date, sums: _Sums) -> SalesPoint:
    return SalesPoint(day, float(sums.net), sums.sales)
