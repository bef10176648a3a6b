"""Routes of coupons as staff write them."""

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
from app.http.query import flag_of, uuid_of

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

    @get("/{id:str}/", guards=[staff], operation_id="coupons_retrieve")
    async def one(self, session: Session, id: str) -> Coupon:  # noqa: A002 - the path's name
        return await CouponDesk(session).get(uuid_of(id))

    @put("/{id:str}/", guards=[staff], operation_id="coupons_update")
    async def replace(self, session: Session, user: User, id: str, data: CouponInput) -> Coupon:  # noqa: A002
        return await CouponDesk(session).change(uuid_of(id), data.given(), user)

    @patch("/{id:str}/", guards=[staff], operation_id="coupons_partial_update")
    async def change(self, session: Session, user: User, id: str, data: CouponInput) -> Coupon:  # noqa: A002
        return await CouponDesk(session).change(uuid_of(id), data.given(), user)

    @delete("/{id:str}/", guards=[staff], operation_id="coupons_destroy")
    async def remove(self, session: Session, user: User, id: str) -> None:  # noqa: A002
        """Orders keep what it took off."""
        await CouponDesk(session).delete(uuid_of(id), user)

    @get("/{id:str}/usages/", guards=[staff], operation_id="coupons_usages")
    async def uses(self, session: Session, id: str) -> list[CouponUsage]:  # noqa: A002
        """The live uses, newest first."""
        return await CouponDesk(session).uses(uuid_of(id))
