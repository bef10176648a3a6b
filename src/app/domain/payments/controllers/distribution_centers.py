"""Routes of the distribution centres."""

from litestar import Controller, delete, get, patch, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.payments.schemas.distribution_centers import DistributionCenter, DistributionCenterInput
from app.domain.payments.service.distribution_centers import DistributionCenterService, shown
from app.http.decoding import ApiRequest
from app.http.guards import staff
from app.http.pagination import Page, paginate
from app.http.principal import Principal

PAGE_SIZE = 10
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class DistributionCenterController(Controller):
    """For staff alone."""

    path = "/api/payments/distribution-centers"
    tags = ("distribution-centers",)

    @get("/", guards=[staff], operation_id="distribution_centers_list")
    async def all(self, request: ApiRequest, session: Session) -> Page[DistributionCenter]:
        listed = DistributionCenterService(session).listed()
        return await paginate(request, session, listed, size=PAGE_SIZE, render=shown)

    @post("/", guards=[staff], operation_id="distribution_centers_create")
    async def create(self, session: Session, user: User, data: DistributionCenterInput) -> DistributionCenter:
        """`created_by` is the caller."""
        return await DistributionCenterService(session).create(data, user)

    @get("/{id:int}/", guards=[staff], operation_id="distribution_centers_retrieve")
    async def one(self, session: Session, id: int) -> DistributionCenter:  # noqa: A002 - the path's name
        return await DistributionCenterService(session).get(id)

    @put("/{id:int}/", guards=[staff], operation_id="distribution_centers_update")
    async def replace(
        self,
        session: Session,
        user: User,
        id: int,  # noqa: A002
        data: DistributionCenterInput,
    ) -> DistributionCenter:
        return await DistributionCenterService(session).change(id, data, user)

    @patch("/{id:int}/", guards=[staff], operation_id="distribution_centers_partial_update")
    async def change(
        self,
        session: Session,
        user: User,
        id: int,  # noqa: A002
        data: DistributionCenterInput,
    ) -> DistributionCenter:
        return await DistributionCenterService(session).change(id, data, user)

    @delete("/{id:int}/", guards=[staff], operation_id="distribution_centers_destroy")
    async def remove(self, session: Session, user: User, id: int) -> None:  # noqa: A002
        await DistributionCenterService(session).delete(id, user)
