"""Routes of coupons as staff write them."""

from uuid import UUID

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.schemas.coupons import Coupon, CouponInput, CouponUsage
from app.domain.marketing.service.coupon_desk import CouponDesk
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, page_of
from app.http.principal import Principal
from app.http.query import flag_of

PAGE_SIZE = 10
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class CouponController(Controller):
    """Staff alone."""

    path = "/api/marketing/coupons"
    tags = ("coupons",)

    @get("/", guards=[staff], operation_id="coupons_list", opt={QUERY: {"active": bool}, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session) -> Page[Coupon]:
        """Newest first, each with its newest uses; `?active=` is the stored flag."""
        desk = CouponDesk(session)
        listed = desk.listed(active=flag_of(request, "active"))

        async def rows(limit: int, offset: int) -> list[Coupon]:
            return await desk.all(listed.limit(limit).offset(offset))

        return await page_of(request, PAGE_SIZE, count=lambda: desk.count(listed), rows=rows)

    @post("/", guards=[staff], operation_id="coupons_create")
    async def create(self, session: Session, user: User, data: CouponInput) -> Coupon:
        return await CouponDesk(session).create(data.given(), user)

    @get("/{id:uuid}/", guards=[staff], operation_id="coupons_retrieve")
    async def one(self, session: Session, id: UUID) -> Coupon:  # noqa: A002 - the path's name
        return await CouponDesk(session).get(id)

    @put("/{id:uuid}/", guards=[staff], operation_id="coupons_update")
    async def replace(self, session: Session, user: User, id: UUID, data: CouponInput) -> Coupon:  # noqa: A002
        return await CouponDesk(session).change(id, data.given(), user)

    @patch("/{id:uuid}/", guards=[staff], operation_id="coupons_partial_update")
    async def change(self, session: Session, user: User, id: UUID, data: CouponInput) -> Coupon:  # noqa: A002
        return await CouponDesk(session).change(id, data.given(), user)

    @delete("/{id:uuid}/", guards=[staff], operation_id="coupons_destroy")
    async def remove(self, session: Session, user: User, id: UUID) -> None:  # noqa: A002
        """Orders keep what it took off."""
        await CouponDesk(session).delete(id, user)

    @get("/{id:uuid}/usages/", guards=[staff], operation_id="coupons_usages")
    async def uses(self, session: Session, id: UUID) -> list[CouponUsage]:  # noqa: A002
        """The live uses, newest first."""
        return await CouponDesk(session).uses(id)
