"""The caller's data: to take along, and to have erased."""

from typing import Any

from litestar import Controller, Response, delete, get
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.controllers.credentials import CREDENTIALS, Credentials
from app.domain.accounts.controllers.refusals import in_one_line
from app.domain.customers.schemas import DeletionInput
from app.domain.customers.service.own_data import OwnDataService
from app.errors import Invalid
from app.http.guards import signed_in
from app.http.principal import Principal

OwnData = NamedDependency[OwnDataService]


def provide_own_data(
    session: NamedDependency[AsyncSession], state: State, user: NamedDependency[Principal]
) -> OwnDataService:
    return OwnDataService(session, state.settings, user, state.personal_data)


class OwnDataController(Controller):
    """`/api/auth/me/export/` and the end of `/api/auth/me/`."""

    path = "/api/auth/me"
    tags = ("auth",)
    dependencies = CREDENTIALS | {"own_data": Provide(provide_own_data, sync_to_thread=False)}

    @get("/export/", guards=[signed_in], operation_id="auth_me_export")
    async def export(self, own_data: OwnData) -> Response[dict[str, Any]]:
        name = f"relampago-{own_data.user.id}.json"
        return Response(await own_data.export(), headers={"Content-Disposition": f'attachment; filename="{name}"'})

    @delete("/", guards=[signed_in], operation_id="auth_me_destroy", exception_handlers={Invalid: in_one_line})
    async def remove(self, own_data: OwnData, data: DeletionInput, credentials: Credentials) -> None:
        await own_data.delete(data.password, credentials)
