"""`/api/orders/`: orders that were left, and the update of everything that goes by the clock."""

from typing import get_args

from litestar import Controller, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.controllers.staff import DAYS, DEFAULT_PERIOD
from app.domain.carts.schemas import Period
from app.domain.orders.controllers.orders import DEPENDENCIES
from app.domain.orders.models import Order as Orders
from app.domain.orders.schemas.abandoned import (
    AbandonedFigures,
    DollarUpdate,
    Marked,
    RateNow,
    SystemUpdate,
    SystemUpdateInput,
)
from app.domain.orders.schemas.orders import Order
from app.domain.orders.service.abandoned import AbandonedOrders
from app.domain.orders.service.reading import OrderPages, OrderReader
from app.domain.rates.schemas import DollarRate
from app.domain.rates.service import RateService, RateUpdater
from app.errors import Unavailable
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.idempotency import KEYED
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, page_of
from app.http.principal import Principal
from app.http.query import choice_of

PAGE_SIZE = 10
Session = NamedDependency[AsyncSession]
Reader = NamedDependency[OrderReader]
Abandoned = NamedDependency[AbandonedOrders]


def provide_abandoned(session: Session, state: State, user: NamedDependency[Principal]) -> AbandonedOrders:
    return AbandonedOrders(session, state.settings, user)


class AbandonedOrderController(Controller):
    """The carts of visitors are at `/api/orders/abandoned-carts/`."""

    path = "/api/orders"
    tags = ("orders",)
    dependencies = DEPENDENCIES | {"abandoned": Provide(provide_abandoned, sync_to_thread=False)}

    @get("/abandoned_carts/", guards=[staff], operation_id="orders_abandoned_carts")
    async def all(self, request: ApiRequest, reader: Reader) -> Page[Order]:
        condition = Orders.status == "abandoned"
        pages = OrderPages(reader, condition)
        return await page_of(request, PAGE_SIZE, count=pages.count, rows=pages.rows)

    @post("/mark_abandoned/", guards=[staff], status_code=200, operation_id="orders_mark_abandoned", opt={KEYED: True})
    async def mark(self, abandoned: Abandoned) -> Marked:
        """Pending orders too, which gives back what they took."""
        count = await abandoned.mark()
        return Marked(f"Pedidos abandonados: {count}", count)

    @get(
        "/abandoned_statistics/",
        guards=[staff],
        operation_id="orders_abandoned_statistics",
        opt={QUERY: {"period": Period}, ERRORS: (400,)},
    )
    async def statistics(self, request: ApiRequest, abandoned: Abandoned) -> AbandonedFigures:
        """Of the last week, month (unless said), quarter or year."""
        asked = choice_of(request, "period", get_args(Period))
        period = next((each for each in DAYS if each == asked), DEFAULT_PERIOD)
        return await abandoned.figures(period, DAYS[period])

    @post(
        "/{id:int}/recover_cart/",
        guards=[staff],
        status_code=200,
        operation_id="orders_recover_cart",
        opt={KEYED: True, ERRORS: (400, 409)},
    )
    async def recover(self, abandoned: Abandoned, reader: Reader, id: int) -> Order:  # noqa: A002 - the path's name
        """Takes stock and coupon again; 409 when one of them is gone."""
        await abandoned.recover(id)
        return await reader.one(id, Orders.id == id, timeline=True)

    @post(
        "/run_system_update/",
        guards=[staff],
        status_code=200,
        operation_id="orders_run_system_update",
        opt={KEYED: True},
    )
    async def update(
        self, session: Session, state: State, abandoned: Abandoned, data: SystemUpdateInput
    ) -> SystemUpdate:
        """The dollar, then carts and pending orders. A dry run asks no source and writes nothing."""
        dollar = None
        if not data.skip_dollar:
            dollar = await _dollar_as_it_is(session) if data.dry_run else await _dollar(session, state)
        carts = None if data.skip_carts else await abandoned.update(data.minutes, dry_run=data.dry_run)
        return SystemUpdate(dollar is None or dollar.error is None, data.dry_run, dollar, carts)


async def _dollar(session: AsyncSession, state: State) -> DollarUpdate:
    await session.close()  # no connection to the database is held while the sources are asked
    updater: RateUpdater = state.rate_updater
    try:
        rates = await updater.refresh_all()
    except Unavailable as error:
        return DollarUpdate(updated=False, rates=[], error=error.message)
    return DollarUpdate(updated=True, rates=[_shown(rate) for rate in rates])


async def _dollar_as_it_is(session: AsyncSession) -> DollarUpdate:
    rates = RateService(session)
    known = [rate for rate_type in ("blue", "official") if (rate := await rates.active(rate_type)) is not None]
    return DollarUpdate(updated=False, rates=[_shown(rate) for rate in known])


def _shown(rate: DollarRate) -> RateNow:
    return RateNow(rate.rate_type, rate.value)
