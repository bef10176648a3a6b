"""Carts as staff see them: those left behind, and how many come back."""

import datetime as dt
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from litestar import Controller, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import clock
from app.domain.carts.queries import reading as queries
from app.domain.carts.rules import STATUSES
from app.domain.carts.schemas import AbandonedCart, AbandonedCartStatistics, Identified, Period, Recovered
from app.domain.carts.service.reading import CartReader
from app.domain.carts.service.staff import StaffCartService, Window
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, page_of
from app.http.principal import Principal
from app.http.query import choice_of, day_range_of, id_of

PAGE_SIZE = 10
DEFAULT_PERIOD: Period = "month"
DAYS: dict[Period, int] = {"week": 7, "month": 30, "quarter": 90, "year": 365}
# Further back than any cart, and still in the calendar.
MAX_DAYS = 36_500
RECOVERED = "Carrito recuperado"

Reader = NamedDependency[CartReader]
Staff = NamedDependency[StaffCartService]


def provide_reader(session: NamedDependency[AsyncSession], state: State) -> CartReader:
    return CartReader(session, state.settings)


def provide_staff_carts(session: NamedDependency[AsyncSession], state: State) -> StaffCartService:
    return StaffCartService(session, state.settings)


class StaffCartController(Controller):
    """`/api/orders/abandoned-carts/`; the abandoned orders are at `/api/orders/abandoned_carts/`."""

    path = "/api/orders/abandoned-carts"
    tags = ("carts",)
    dependencies = {  # noqa: RUF012 - Litestar reads it from the class
        "reader": Provide(provide_reader, sync_to_thread=False),
        "staff_carts": Provide(provide_staff_carts, sync_to_thread=False),
    }

    @get(
        "/",
        guards=[staff],
        operation_id="carts_list",
        opt={QUERY: {"user_id": int, "status": Literal[STATUSES], "days": int}, ERRORS: (400,)},
    )
    async def all(self, request: ApiRequest, reader: Reader) -> Page[AbandonedCart]:
        """Latest activity first, 10 a page; without a status all but the active carts."""
        days = id_of(request, "days")
        statement = queries.listed(
            reader.minutes,
            user_id=id_of(request, "user_id"),
            status=choice_of(request, "status", STATUSES),
            since=None if days is None else dt.timedelta(days=min(days, MAX_DAYS)),
        )
        return await page_of(
            request,
            PAGE_SIZE,
            count=lambda: reader.count(statement),
            rows=lambda limit, offset: reader.page(statement, limit, offset),
        )

    @get(
        "/statistics/",
        guards=[staff],
        operation_id="carts_statistics",
        opt={QUERY: {"period": Period, "start_date": dt.date, "end_date": dt.date}, ERRORS: (400,)},
    )
    async def statistics(self, request: ApiRequest, staff_carts: Staff, state: State) -> AbandonedCartStatistics:
        """Of carts that began in the last week, month, quarter or year, or on the days asked for, which win."""
        asked = choice_of(request, "period", get_args(Period))
        period = next((each for each in DAYS if each == asked), DEFAULT_PERIOD)
        return await staff_carts.statistics(period, window_of(request, period, state.settings.zone))

    @post("/identify/", guards=[staff], operation_id="carts_identify", status_code=200)
    async def identify(self, staff_carts: Staff, user: NamedDependency[Principal]) -> Identified:
        """Writes down which carts are abandoned by now."""
        count = await staff_carts.identify(actor=user)
        return Identified(count, f"Carritos abandonados identificados: {count}")

    @get("/{id:int}/", guards=[staff], operation_id="carts_retrieve")
    async def one(self, reader: Reader, id: int) -> AbandonedCart:  # noqa: A002 - the path's name
        return await reader.get(id)

    @post("/{id:int}/recover/", guards=[staff], operation_id="carts_recover", status_code=200, opt={ERRORS: (400,)})
    async def recover(
        self,
        reader: Reader,
        staff_carts: Staff,
        user: NamedDependency[Principal],
        id: int,  # noqa: A002
    ) -> Recovered:
        """400 for a cart that is not abandoned."""
        await staff_carts.recover(id, user)
        return Recovered(RECOVERED, await reader.get(id))


def window_of(request: ApiRequest, period: Period, zone: ZoneInfo) -> Window:
    """The days asked for, in the shop's zone; without any, the period up to now."""
    first, before = day_range_of(request, "start_date", "end_date", zone)
    if first is None and before is None:
        return clock.now() - dt.timedelta(days=DAYS[period]), None
    return first, before
