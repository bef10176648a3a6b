"""Routes of offers."""

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.schemas.offers import Ended, Offer, OfferInput
from app.domain.marketing.service.offers import OfferDesk, offer_shown
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.pagination import Page, paginate
from app.http.principal import Principal
from app.http.query import choice_of, uuid_of

PAGE_SIZE = 10
STATUSES = ("active", "pending", "expired")
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class OfferController(Controller):
    """Staff alone."""

    path = "/api/marketing/offers"
    tags = ("offers",)

    @get("/", guards=[staff], operation_id="offers_list", opt={QUERY: {"status": str}, ERRORS: (400,)})
    async def all(self, request: ApiRequest, session: Session) -> Page[Offer]:
        """Newest first; the status follows the clock."""
        listed = OfferDesk(session).listed(status=choice_of(request, "status", STATUSES))
        return await paginate(request, session, listed, size=PAGE_SIZE, render=offer_shown)

    @post("/", guards=[staff], operation_id="offers_create")
    async def create(self, session: Session, user: User, data: OfferInput) -> Offer:
        return await OfferDesk(session).create(data.given(), user)

    @get("/active/", guards=[staff], operation_id="offers_active")
    async def active(self, session: Session) -> list[Offer]:
        desk = OfferDesk(session)
        return await desk.all(desk.listed(status="active"))

    @post("/check_expired/", guards=[staff], operation_id="offers_check_expired", status_code=200)
    async def check_expired(self, session: Session) -> Ended:
        """Counts the offers that ended since the last call; prices left them at their end already."""
        return await OfferDesk(session).count_ends()

    @get("/{id:str}/", guards=[staff], operation_id="offers_retrieve")
    async def one(self, session: Session, id: str) -> Offer:  # noqa: A002 - the path's name
        return await OfferDesk(session).get(uuid_of(id))

    @put("/{id:str}/", guards=[staff], operation_id="offers_update")
    async def replace(self, session: Session, user: User, id: str, data: OfferInput) -> Offer:  # noqa: A002
        return await OfferDesk(session).change(uuid_of(id), data.given(), user)

    @patch("/{id:str}/", guards=[staff], operation_id="offers_partial_update")
    async def change(self, session: Session, user: User, id: str, data: OfferInput) -> Offer:  # noqa: A002
        return await OfferDesk(session).change(uuid_of(id), data.given(), user)

    @delete("/{id:str}/", guards=[staff], operation_id="offers_destroy")
    async def remove(self, session: Session, user: User, id: str) -> None:  # noqa: A002
        await OfferDesk(session).delete(uuid_of(id), user)
