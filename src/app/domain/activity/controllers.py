"""`/api/activity-logs/`: staff read what was done; nobody writes here."""

import datetime as dt

from litestar import Controller, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity import queries
from app.domain.activity.rules import object_id_of
from app.domain.activity.schemas import ActivityEntry, ActivityFilters, ActivityStats
from app.domain.activity.service import ActivityService, shown
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, paginate
from app.http.query import day_range_of, id_of, text_of

PAGE_SIZE = 6
FILTERS = {
    "action": str,
    "user_id": int,
    "date_from": dt.date,
    "date_to": dt.date,
    "content_type": str,
    "object_id": str,
    "description": str,
}
Session = NamedDependency[AsyncSession]


class ActivityController(Controller):
    """Newest first, 6 a page."""

    path = "/api/activity-logs"
    tags = ("activity",)

    @get("/", guards=[staff], operation_id="activity_logs_list", opt={QUERY: FILTERS, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session, state: State) -> Page[ActivityEntry]:
        """Days are the shop's, both ends included; `description` is searched in, the other texts match exactly."""
        since, until = day_range_of(request, "date_from", "date_to", state.settings.zone)
        filters = ActivityFilters(
            action=text_of(request, "action"),
            user_id=id_of(request, "user_id"),
            since=since,
            until=until,
            content_type=text_of(request, "content_type"),
            object_id=object_id_of(text_of(request, "object_id")),
            description=text_of(request, "description"),
        )
        return await _page(request, session, filters)

    @get("/stats/", guards=[staff], operation_id="activity_logs_stats")
    async def stats(self, session: Session, state: State) -> ActivityStats:
        return await ActivityService(session).stats(state.settings.zone)

    @get("/product_activity/", guards=[staff], operation_id="activity_logs_product_activity")
    async def of_products(self, request: ApiRequest, session: Session) -> Page[ActivityEntry]:
        return await _page(request, session, ActivityFilters(content_type="product"))

    @get("/order_activity/", guards=[staff], operation_id="activity_logs_order_activity")
    async def of_orders(self, request: ApiRequest, session: Session) -> Page[ActivityEntry]:
        return await _page(request, session, ActivityFilters(content_type="order"))

    @get("/{id:int}/", guards=[staff], operation_id="activity_logs_retrieve")
    async def one(self, session: Session, id: int) -> ActivityEntry:  # noqa: A002 - the path's name
        return await ActivityService(session).get(id)


async def _page(request: ApiRequest, session: AsyncSession, filters: ActivityFilters) -> Page[ActivityEntry]:
    return await paginate(request, session, queries.entries(filters), size=PAGE_SIZE, render=shown)
