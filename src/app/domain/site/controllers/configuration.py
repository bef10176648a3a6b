"""Routes of the configuration and of the maintenance mode."""

import datetime as dt
from typing import Any

from litestar import Controller, Request, Response, get, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import clock
from app.db.transaction import end_transaction
from app.domain.site.rules import BYPASS_SECONDS, fingerprint_of, mint
from app.domain.site.schemas import (
    Bypass,
    BypassInput,
    MaintenanceState,
    NoBypass,
    SiteConfig,
    SiteConfigInput,
    Toggled,
    ToggleInput,
)
from app.domain.site.service.configuration import ConfigurationService
from app.http.etags import read_of
from app.http.guards import anyone, challenge, signed_in, staff
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal
from app.http.throttling import THROTTLE

WRONG_PASSWORD = "Contraseña incorrecta"  # noqa: S105 - a message
SWITCHED = {True: "Modo de mantenimiento activado", False: "Modo de mantenimiento desactivado"}
AnyRequest = Request[Any, Any, Any]
Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]


class ConfigurationController(Controller):
    """What the shop's pages have to know, and staff set."""

    path = "/api"
    tags = ("site",)

    @get("/config/", guards=[signed_in], operation_id="config_retrieve")
    async def of_user(self, session: Session) -> SiteConfig:
        return await ConfigurationService(session).get()

    @get("/site-config/public/", guards=[anyone], operation_id="site_config_public")
    async def public(self, request: AnyRequest, session: Session) -> Response[SiteConfig]:
        return read_of(request, await ConfigurationService(session).get())

    @get("/site-config/", guards=[staff], operation_id="site_config_retrieve")
    async def of_staff(self, session: Session) -> SiteConfig:
        return await ConfigurationService(session).get()

    @put("/site-config/", guards=[staff], operation_id="site_config_update")
    async def change(
        self, request: AnyRequest, session: Session, user: User, state: State, data: SiteConfigInput
    ) -> SiteConfig:
        """What is not sent stays. The bypass password is kept as a hash; an empty one takes it away."""
        config = await ConfigurationService(session).change(data, user, state.passwords)
        await _spread(request)
        return config


class MaintenanceController(Controller):
    """During maintenance others than staff are answered 503 nearly everywhere."""

    path = "/api/maintenance"
    tags = ("site",)

    @get("/status/", guards=[anyone], operation_id="maintenance_status")
    async def status(self, session: Session) -> MaintenanceState:
        config = await ConfigurationService(session).get()
        return MaintenanceState(config.maintenance_mode, config.maintenance_message)

    @post("/toggle/", status_code=200, guards=[staff], operation_id="maintenance_toggle")
    async def toggle(self, request: AnyRequest, session: Session, user: User, data: ToggleInput) -> Toggled:
        config = await ConfigurationService(session).toggle(data, user)
        await _spread(request)
        return Toggled(SWITCHED[config.maintenance_mode], config.maintenance_mode, config.maintenance_message)

    @post(
        "/validate-bypass/",
        status_code=200,
        guards=[anyone],
        operation_id="maintenance_validate_bypass",
        opt={ERRORS: (401,), THROTTLE: "login"},
    )
    async def validate(
        self, request: AnyRequest, session: Session, state: State, data: BypassInput
    ) -> Bypass | Response[NoBypass]:
        """A token for `X-Maintenance-Bypass`, signed, good for eight hours or until the password changes."""
        stored = await ConfigurationService(session).bypass_hash()
        await session.close()  # nothing was written, and a hash takes its time
        attempt = await state.throttle.begin_attempt(request, "maintenance bypass")
        if not await state.passwords.matches(data.password, stored) or stored is None:
            return Response(NoBypass(WRONG_PASSWORD), status_code=401, headers=challenge(request))
        await attempt.succeeded()
        return _bypass(state.settings.secret_key, stored)


def _bypass(secret: str, stored: str) -> Bypass:
    expires_at = int(clock.seconds()) + BYPASS_SECONDS
    token = mint(secret, fingerprint_of(stored), expires_at=expires_at)
    return Bypass(token, dt.datetime.fromtimestamp(expires_at, dt.UTC))


async def _spread(request: AnyRequest) -> None:
    """The answer leaves once every process goes by what was written."""
    await end_transaction(request)
    await request.app.state.maintenance.spread()
