"""`/api/visitors/` for staff; `/api/register-visit/` for the shop's pages."""

import datetime as dt
from typing import Any, Literal

from litestar import Controller, Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.visitors import queries
from app.domain.visitors.rules import DEFAULT_PERIOD, PERIODS, address_of, limit_of, period_of, user_agent_of
from app.domain.visitors.schemas import Visited, VisitInput, Visitor, VisitorFilters, VisitorStats
from app.domain.visitors.service import VisitorService, shown
from app.http.addresses import client_address
from app.http.decoding import ApiRequest
from app.http.guards import anyone, staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, paginate
from app.http.query import choice_of, date_of, day_range_of, flag_of, start_of, text_of

PAGE_SIZE = 10
FILTERS = {
    "ip_address": str,
    "is_active": bool,
    "date_from": dt.date,
    "date_to": dt.date,
    "country": str,
    "city": str,
}
PERIOD = {"period": Literal[*PERIODS], "start_date": dt.date, "end_date": dt.date}
LIMIT = {"limit": int}
# What no visitor's address is.
NOBODY = "::"
Session = NamedDependency[AsyncSession]


class VisitorController(Controller):
    """Staff read; nobody writes here."""

    path = "/api/visitors"
    tags = ("visitors",)

    @get("/", guards=[staff], operation_id="visitors_list", opt={QUERY: FILTERS, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session, state: State) -> Page[Visitor]:
        """By the last visit, 10 a page. Days are the shop's, both ends included, and of the last visit."""
        since, until = day_range_of(request, "date_from", "date_to", state.settings.zone)
        address = text_of(request, "ip_address")
        filters = VisitorFilters(
            address=None if address is None else address_of(address) or NOBODY,
            is_active=flag_of(request, "is_active"),
            since=since,
            until=until,
            country=text_of(request, "country"),
            city=text_of(request, "city"),
        )
        return await paginate(request, session, queries.visitors(filters), size=PAGE_SIZE, render=shown)

    @get("/stats/", guards=[staff], operation_id="visitors_stats", opt={QUERY: PERIOD, ERRORS: (400,)})
    async def stats(self, request: ApiRequest, session: Session, state: State) -> VisitorStats:
        """`period` (a month unless said) ends today; `start_date` and `end_date` replace its ends."""
        zone = state.settings.zone
        today = (await VisitorService(session).now()).astimezone(zone).date()
        period = choice_of(request, "period", tuple(PERIODS)) or DEFAULT_PERIOD
        given = date_of(request, "start_date"), date_of(request, "end_date")
        first, last = period_of(period, *given, today=today)
        bounds = start_of(today, zone), start_of(first, zone), start_of(last, zone, days_later=1)
        return await VisitorService(session).stats(*bounds)

    @get("/recent_visitors/", guards=[staff], operation_id="visitors_recent", opt={QUERY: LIMIT})
    async def recent(self, request: ApiRequest, session: Session) -> list[Visitor]:
        return await VisitorService(session).recent(limit_of(text_of(request, "limit")))

    @get("/top_visitors/", guards=[staff], operation_id="visitors_top", opt={QUERY: LIMIT})
    async def top(self, request: ApiRequest, session: Session) -> list[Visitor]:
        return await VisitorService(session).top(limit_of(text_of(request, "limit")))

    @get("/{id:int}/", guards=[staff], operation_id="visitors_retrieve")
    async def one(self, session: Session, id: int) -> Visitor:  # noqa: A002 - the path's name
        return await VisitorService(session).get(id)


class VisitController(Controller):
    """One operation, outside the visitors' own path."""

    path = "/api/register-visit"
    tags = ("visitors",)

    @post("/", status_code=200, guards=[anyone], operation_id="visits_register")
    async def register(
        self, request: Request[Any, Any, Any], session: Session, state: State, data: VisitInput
    ) -> Visited:
        """A visit of the address that the request comes from. A place that the page does not say is looked up."""
        address, user_agent = client_address(request), user_agent_of(request.headers.get("user-agent", ""))
        return await VisitorService(session).register(data, address, user_agent, state.places.find(address))
