"""`/api/orders/`: lists and figures."""

from typing import Literal

from litestar import Controller, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders.controllers.orders import DEPENDENCIES
from app.domain.orders.queries import lists
from app.domain.orders.schemas.inputs import OrderFilters
from app.domain.orders.schemas.orders import Order, OrderStatistics, OrderStats
from app.domain.orders.service.figures import OrderFigures
from app.domain.orders.service.reading import OrderPages, OrderReader
from app.domain.orders.states import STATUSES
from app.http.decoding import ApiRequest
from app.http.guards import signed_in, staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, page_of
from app.http.principal import Principal
from app.http.query import choice_of, day_range_of, flag_of, id_of, text_of
from app.settings import Settings

PAGE_SIZE = 10
COUNTED = {"search": str, "customer_id": int, "start_date": str, "end_date": str}
LISTED = {"status": Literal[STATUSES], **COUNTED, "exclude_temporary": bool, "store": int}
User = NamedDependency[Principal]
Reader = NamedDependency[OrderReader]
Session = NamedDependency[AsyncSession]


class OrderListController(Controller):
    """Newest first, 10 a page. Timelines are in the detail alone."""

    path = "/api/orders"
    tags = ("orders",)
    dependencies = DEPENDENCIES

    @get("/", guards=[signed_in], operation_id="orders_list", opt={QUERY: LISTED, ERRORS: (400,)})
    async def all(self, request: ApiRequest, reader: Reader, user: User, state: State) -> Page[Order]:
        """Staff list everything, others their own, and with `?store=` those of a store of theirs."""
        return await _page(request, reader, lists.listed(user, filters_of(request, state.settings)))

    @get("/my-orders/", guards=[signed_in], operation_id="orders_my_orders")
    async def mine(self, request: ApiRequest, reader: Reader, user: User) -> Page[Order]:
        """The caller's own, whoever calls."""
        return await _page(request, reader, lists.own(user.id) & lists.LASTING)

    @get("/pending/", guards=[staff], operation_id="orders_pending")
    async def pending(self, request: ApiRequest, reader: Reader, user: User) -> Page[Order]:
        return await _page(request, reader, lists.listed(user, OrderFilters(status="pending")))

    @get("/archived/", guards=[staff], operation_id="orders_archived")
    async def archived(self, request: ApiRequest, reader: Reader, user: User) -> Page[Order]:
        return await _page(request, reader, lists.listed(user, OrderFilters(status="archived")))

    @get("/statistics/", guards=[signed_in], operation_id="orders_statistics")
    async def statistics(self, session: Session, user: User) -> OrderStatistics:
        """Of the orders that the caller may see."""
        return await OrderFigures(session, user).statistics()

    @get("/stats/", guards=[staff], operation_id="orders_stats", opt={QUERY: COUNTED, ERRORS: (400,)})
    async def stats(self, request: ApiRequest, session: Session, user: User, state: State) -> OrderStats:
        return await OrderFigures(session, user).by_status(_counted(request, state.settings))


async def _page(request: ApiRequest, reader: OrderReader, condition: lists.Condition) -> Page[Order]:
    pages = OrderPages(reader, condition)
    return await page_of(request, PAGE_SIZE, count=pages.count, rows=pages.rows)


def _counted(request: ApiRequest, settings: Settings) -> OrderFilters:
    """Search, customer and days from the query. Raises Invalid under the parameter's name."""
    since, until = day_range_of(request, "start_date", "end_date", settings.zone)
    return OrderFilters(
        search=text_of(request, "search"), customer_id=id_of(request, "customer_id"), since=since, until=until
    )


def filters_of(request: ApiRequest, settings: Settings) -> OrderFilters:
    """The list's filters from the query. Raises Invalid under the parameter's name."""
    counted = _counted(request, settings)
    return OrderFilters(
        status=choice_of(request, "status", STATUSES),
        search=counted.search,
        customer_id=counted.customer_id,
        store_id=id_of(request, "store"),
        since=counted.since,
        until=counted.until,
        exclude_temporary=flag_of(request, "exclude_temporary") is not False,
    )
