"""Routes of promotions by quantity."""

from typing import get_args

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.schemas.bulk import (
    BulkPromotion,
    BulkPromotionDetail,
    BulkPromotionInput,
    PromotionType,
)
from app.domain.marketing.service.bulk import BulkDesk, in_list
from app.http.decoding import ApiRequest
from app.http.guards import anyone, staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, paginate
from app.http.principal import Principal
from app.http.query import choice_of, flag_of, uuid_of

PAGE_SIZE = 10
FILTERS = {"active": bool, "type": str}
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class BulkPromotionController(Controller):
    """Anybody reads, staff write."""

    path = "/api/marketing/bulk-promotions"
    tags = ("bulk-promotions",)

    @get("/", guards=[anyone], operation_id="bulk_promotions_list", opt={QUERY: FILTERS, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session) -> Page[BulkPromotion]:
        """Newest first; `?active=` is the stored flag."""
        kind = choice_of(request, "type", get_args(PromotionType))
        listed = BulkDesk.in_list(active=flag_of(request, "active"), kind=kind)
        return await paginate(request, session, listed, size=PAGE_SIZE, render=in_list)

    @post("/", guards=[staff], operation_id="bulk_promotions_create")
    async def create(self, session: Session, user: User, data: BulkPromotionInput) -> BulkPromotionDetail:
        return await BulkDesk(session).create(data.given(), user)

    @get("/active/", guards=[anyone], operation_id="bulk_promotions_active")
    async def active(self, session: Session) -> list[BulkPromotion]:
        """Those that are on now."""
        return await BulkDesk(session).running()

    @get("/{id:str}/", guards=[anyone], operation_id="bulk_promotions_retrieve")
    async def one(self, session: Session, id: str) -> BulkPromotionDetail:  # noqa: A002 - the path's name
        return await BulkDesk(session).get(uuid_of(id))

    @put("/{id:str}/", guards=[staff], operation_id="bulk_promotions_update")
    async def replace(
        self,
        session: Session,
        user: User,
        id: str,  # noqa: A002
        data: BulkPromotionInput,
    ) -> BulkPromotionDetail:
        return await BulkDesk(session).change(uuid_of(id), data.given(), user)

    @patch("/{id:str}/", guards=[staff], operation_id="bulk_promotions_partial_update")
    async def change(
        self,
        session: Session,
        user: User,
        id: str,  # noqa: A002
        data: BulkPromotionInput,
    ) -> BulkPromotionDetail:
        return await BulkDesk(session).change(uuid_of(id), data.given(), user)

    @delete("/{id:str}/", guards=[staff], operation_id="bulk_promotions_destroy")
    async def remove(self, session: Session, user: User, id: str) -> None:  # noqa: A002
        await BulkDesk(session).delete(uuid_of(id), user)
