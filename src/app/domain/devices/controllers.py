"""`/api/notifications/`: a caller's devices and settings."""

from typing import Any

from litestar import Controller, Request, delete, get, post, put
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.devices.schemas import (
    Devices,
    Done,
    Registered,
    RegisterInput,
    SettingsAnswer,
    SettingsInput,
    Toggled,
    ToggleInput,
    TokenInput,
)
from app.domain.devices.service.devices import DeviceService
from app.domain.devices.service.preferences import PreferenceService
from app.errors import Forbidden
from app.http.addresses import client_network
from app.http.guards import anyone, provide_user, signed_in, staff
from app.http.openapi.hints import ERRORS, QUERY
from app.http.principal import Principal
from app.http.query import choice_of

REMOVED = "Token eliminado"
SCOPE = {"scope": str}
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]
Caller = NamedDependency[Principal | None]


async def may_change_scope(request: Request[Any, Any, Any]) -> None:
    """Rights come before the body: the global settings are a superuser's."""
    if _is_global(request) and not provide_user(request).is_superuser:
        raise Forbidden


def _is_global(request: Request[Any, Any, Any]) -> bool:
    return choice_of(request, "scope", ("global", "own")) == "global"


class DeviceController(Controller):
    """Devices register with and without an account; settings are personal for staff and global for others."""

    path = "/api/notifications"
    tags = ("notifications",)

    @post("/register-token/", status_code=200, guards=[anyone], operation_id="notifications_register_token")
    async def register(
        self, request: Request[Any, Any, Any], session: Session, caller: Caller, data: RegisterInput
    ) -> Registered:
        service = DeviceService(session)
        if caller is None:
            return await service.note(data, client_network(request))
        return await service.register(caller.id, data)

    @delete(
        "/remove-token/",
        status_code=200,
        guards=[signed_in],
        operation_id="notifications_remove_token",
        opt={ERRORS: (404,)},
    )
    async def remove(self, session: Session, user: User, data: TokenInput) -> Done:
        await DeviceService(session).remove(user.id, data.token)
        return Done(REMOVED)

    @post("/toggle/", status_code=200, guards=[signed_in], operation_id="notifications_toggle")
    async def toggle(self, session: Session, user: User, data: ToggleInput) -> Toggled:
        await PreferenceService(session).toggle(user.id, enabled=data.enabled)
        return Toggled(data.enabled)

    @get("/settings/", guards=[signed_in], operation_id="notifications_settings_retrieve", opt={QUERY: SCOPE})
    async def settings(self, request: Request[Any, Any, Any], session: Session, user: User) -> SettingsAnswer:
        """Staff read their own, with `?scope=global` the global ones; others always these."""
        own = user.is_admin and not _is_global(request)
        return SettingsAnswer(await PreferenceService(session).settings(user.id if own else None))

    @put(
        "/settings/",
        guards=[staff],
        before_request=may_change_scope,
        operation_id="notifications_settings_update",
        opt={QUERY: SCOPE},
    )
    async def change_settings(
        self, request: Request[Any, Any, Any], session: Session, user: User, data: SettingsInput
    ) -> SettingsAnswer:
        """The caller's own; a superuser changes the global ones with `?scope=global`."""
        whose = None if _is_global(request) else user.id
        return SettingsAnswer(await PreferenceService(session).change(whose, data.given(), user))

    @get("/devices/", guards=[signed_in], operation_id="notifications_devices")
    async def devices(self, session: Session, user: User) -> Devices:
        found = await DeviceService(session).of(user.id)
        return Devices(found, len(found))
