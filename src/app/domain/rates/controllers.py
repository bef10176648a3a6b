"""Routes of the exchange rates."""

from typing import get_args

import msgspec
from litestar import Controller, delete, get, patch, post, put
from litestar.datastructures import CacheControlHeader, State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.dollar_rates import QuotedType
from app.domain.rates import queries
from app.domain.rates.schemas import DollarRate, DollarRateInput, UpdatedRate
from app.domain.rates.service import RateService, RateUpdater, shown
from app.errors import Refused
from app.http.decoding import ApiRequest
from app.http.guards import anyone, cron_in_production, staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, paginate
from app.http.principal import Principal
from app.http.query import text_of

PAGE_SIZE = 10
NEVER = CacheControlHeader(no_store=True)
UNKNOWN_TYPE = "rate_type is blue or official."
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]
Caller = NamedDependency[Principal | None]


class DollarRateController(Controller):
    """Anybody reads the active rates, staff all of them; staff write."""

    path = "/api/payments/dollar-rates"
    tags = ("rates",)

    @get("/", guards=[anyone], operation_id="dollar_rates_list")
    async def all(self, request: ApiRequest, session: Session, caller: Caller) -> Page[DollarRate]:
        """Newest first."""
        listed = queries.rates(inactive=_sees_all(caller))
        return await paginate(request, session, listed, size=PAGE_SIZE, render=shown)

    @post("/", guards=[staff], operation_id="dollar_rates_create")
    async def create(self, session: Session, user: User, data: DollarRateInput) -> DollarRate:
        """An active rate switches off the older ones of its type."""
        return await RateService(session).create(data, user)

    @get("/{id:int}/", guards=[anyone], operation_id="dollar_rates_retrieve")
    async def one(self, session: Session, caller: Caller, id: int) -> DollarRate:  # noqa: A002 - the path's name
        return await RateService(session).get(id, inactive=_sees_all(caller))

    @put("/{id:int}/", guards=[staff], operation_id="dollar_rates_update")
    async def replace(self, session: Session, user: User, id: int, data: DollarRateInput) -> DollarRate:  # noqa: A002
        return await RateService(session).change(id, data, user)

    @patch("/{id:int}/", guards=[staff], operation_id="dollar_rates_partial_update")
    async def change(self, session: Session, user: User, id: int, data: DollarRateInput) -> DollarRate:  # noqa: A002
        return await RateService(session).change(id, data, user)

    @delete("/{id:int}/", guards=[staff], operation_id="dollar_rates_destroy")
    async def remove(self, session: Session, user: User, id: int) -> None:  # noqa: A002
        await RateService(session).delete(id, user)


class RateUpdateController(Controller):
    """The update as external schedulers ask for it."""

    path = "/api/payments/update-dollar-rate"
    tags = ("rates",)

    @get(
        "/",
        guards=[cron_in_production],
        operation_id="dollar_rate_auto_update",
        opt={QUERY: {"rate_type": QuotedType, "api_key": str}, ERRORS: (400, 401, 503)},
        cache_control=NEVER,
    )
    async def update(self, request: ApiRequest, state: State) -> UpdatedRate:
        """Asks the sources for `rate_type` (blue unless said). The key is needed in production."""
        return await _updated(request, state)

    @post(
        "/",
        guards=[cron_in_production],
        operation_id="dollar_rate_auto_update_post",
        status_code=200,
        include_in_schema=False,
        cache_control=NEVER,
    )
    async def post_update(self, request: ApiRequest, state: State) -> UpdatedRate:
        """The same, as a write should be asked for."""
        return await _updated(request, state)


async def _updated(request: ApiRequest, state: State) -> UpdatedRate:
    asked = text_of(request, "rate_type") or "blue"
    if asked not in get_args(QuotedType):
        raise Refused(UNKNOWN_TYPE)
    updater: RateUpdater = state.rate_updater
    return UpdatedRate(await updater.refresh(msgspec.convert(asked, QuotedType), by_hand=True))


def _sees_all(caller: Principal | None) -> bool:
    return caller is not None and caller.is_admin
