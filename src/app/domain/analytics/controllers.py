"""`/api/statistics/`: what staff look at every morning."""

import datetime as dt
from collections.abc import AsyncGenerator
from typing import cast

from litestar import Controller, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.standby import reading
from app.domain.analytics.rules import PERIODS, PeriodName
from app.domain.analytics.schemas import Analytics, UserStatistics
from app.domain.analytics.service import AnalyticsService
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.query import choice_of, date_of

ASKED = {QUERY: {"period": str, "start_date": dt.date, "end_date": dt.date}, ERRORS: (400,)}
Statistics = NamedDependency[AnalyticsService]


async def provide_statistics(
    session: NamedDependency[AsyncSession], state: State
) -> AsyncGenerator[AnalyticsService, None]:
    async with reading(state.standby, session) as reader:
        yield AnalyticsService(reader, state.settings)


class StatisticsController(Controller):
    """Without dates the calendar's day, week, month or year of today; days are the shop's, both ends included."""

    path = "/api/statistics"
    tags = ("statistics",)
    dependencies = {  # noqa: RUF012 - Litestar reads it from the class
        "statistics": Provide(provide_statistics)
    }

    @get("/analytics/", guards=[staff], operation_id="statistics_analytics", opt=ASKED)
    async def analytics(self, request: ApiRequest, statistics: Statistics) -> Analytics:
        return await statistics.sales(*_asked(request))

    @get("/users/", guards=[staff], operation_id="statistics_users", opt=ASKED)
    async def users(self, request: ApiRequest, statistics: Statistics) -> UserStatistics:
        return await statistics.users(*_asked(request))


def _asked(request: ApiRequest) -> tuple[PeriodName, dt.date | None, dt.date | None]:
    """The period and the dates of the query. Raises Invalid."""
    name = cast("PeriodName", choice_of(request, "period", PERIODS) or "month")
    return name, date_of(request, "start_date"), date_of(request, "end_date")
