"""Routes of discounts by weekday."""

from litestar import Controller, delete, get, patch, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.schemas.scheduled import (
    Preview,
    ScheduledDay,
    ScheduledDiscount,
    ScheduledDiscountInput,
    Switched,
)
from app.domain.marketing.service.scheduled import ScheduledDesk
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, page_of
from app.http.principal import Principal
from app.http.query import choice_of, flag_of, id_of, uuid_of

PAGE_SIZE = 10
FILTERS = {"active": bool, "day": int, "category": int}
WEEKDAYS = tuple("0123456")
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class ScheduledDiscountController(Controller):
    """Staff alone."""

    path = "/api/marketing/scheduled-discounts"
    tags = ("scheduled-discounts",)

    @get("/", guards=[staff], operation_id="scheduled_discounts_list", opt={QUERY: FILTERS, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session, state: State) -> Page[ScheduledDiscount]:
        """Newest first; `?day=0` is Monday, `?active=` the stored flag."""
        desk, day = ScheduledDesk(session, state.settings), choice_of(request, "day", WEEKDAYS)
        weekday = None if day is None else int(day)
        listed = desk.listed(active=flag_of(request, "active"), day=weekday, category=id_of(request, "category"))

        async def rows(limit: int, offset: int) -> list[ScheduledDiscount]:
            return await desk.all(listed.limit(limit).offset(offset))

        return await page_of(request, PAGE_SIZE, count=lambda: desk.count(listed), rows=rows)

    @post("/", guards=[staff], operation_id="scheduled_discounts_create")
    async def create(
        self, session: Session, state: State, user: User, data: ScheduledDiscountInput
    ) -> ScheduledDiscount:
        return await ScheduledDesk(session, state.settings).create(data.given(), user)

    @get("/today/", guards=[staff], operation_id="scheduled_discounts_today")
    async def today(self, session: Session, state: State) -> list[ScheduledDiscount]:
        """Those of the shop's day, whatever the hour."""
        return await ScheduledDesk(session, state.settings).today()

    @get("/by_day/", guards=[staff], operation_id="scheduled_discounts_by_day")
    async def by_day(self, session: Session, state: State) -> list[ScheduledDay]:
        """Seven days, Monday first."""
        return await ScheduledDesk(session, state.settings).by_day()

    @post("/preview_apply/", guards=[staff], operation_id="scheduled_discounts_preview_apply", status_code=200)
    async def preview(self, session: Session, state: State) -> Preview:
        """What the periodic job would mark now; changes nothing."""
        return await ScheduledDesk(session, state.settings).preview()

    @get("/{id:str}/", guards=[staff], operation_id="scheduled_discounts_retrieve")
    async def one(self, session: Session, state: State, id: str) -> ScheduledDiscount:  # noqa: A002
        return await ScheduledDesk(session, state.settings).get(uuid_of(id))

    @put("/{id:str}/", guards=[staff], operation_id="scheduled_discounts_update")
    async def replace(
        self,
        session: Session,
        state: State,
        user: User,
        id: str,  # noqa: A002 - the path's name
        data: ScheduledDiscountInput,
    ) -> ScheduledDiscount:
        return await ScheduledDesk(session, state.settings).change(uuid_of(id), data.given(), user)

    @patch("/{id:str}/", guards=[staff], operation_id="scheduled_discounts_partial_update")
    async def change(
        self,
        session: Session,
        state: State,
        user: User,
        id: str,  # noqa: A002
        data: ScheduledDiscountInput,
    ) -> ScheduledDiscount:
        return await ScheduledDesk(session, state.settings).change(uuid_of(id), data.given(), user)

    @delete("/{id:str}/", guards=[staff], operation_id="scheduled_discounts_destroy")
    async def remove(self, session: Session, state: State, user: User, id: str) -> None:  # noqa: A002
        """Prices are without it at once: none was ever written."""
        await ScheduledDesk(session, state.settings).delete(uuid_of(id), user)

    @post("/{id:str}/apply_now/", guards=[staff], operation_id="scheduled_discounts_apply_now", status_code=200)
    async def apply_now(self, session: Session, state: State, user: User, id: str) -> Switched:  # noqa: A002
        """On by hand, until its next start or end."""
        return await ScheduledDesk(session, state.settings).apply_now(uuid_of(id), user)

    @post("/{id:str}/remove_now/", guards=[staff], operation_id="scheduled_discounts_remove_now", status_code=200)
    async def remove_now(self, session: Session, state: State, user: User, id: str) -> Switched:  # noqa: A002
        """Off by hand, until its next start or end."""
        return await ScheduledDesk(session, state.settings).remove_now(uuid_of(id), user)
