"""Routes of the exchange rates."""

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.rates import queries
from app.domain.rates.schemas import DollarRate, DollarRateInput
from app.domain.rates.service import RateService, shown
from app.http.decoding import ApiRequest
from app.http.guards import anyone, staff
from app.http.pagination import Page, paginate
from app.http.principal import Principal

PAGE_SIZE = 10
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


def _sees_all(caller: Principal | None) -> bool:
    return caller is not None and caller.is_admin
