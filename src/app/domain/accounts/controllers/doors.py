"""Login, token pair, refresh, logout: open to anybody, a token in the header is not looked at."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.controllers.credentials import CREDENTIALS, Credentials
from app.domain.accounts.controllers.refusals import in_one_line
from app.domain.accounts.rules.doors import RefreshTokenRefused
from app.domain.accounts.schemas.doors import (
    AuthUser,
    CredentialsInput,
    LoginAnswer,
    LoginInput,
    ObtainedPair,
    RefreshedPair,
    RefreshInput,
)
from app.domain.accounts.schemas.registration import Message
from app.domain.accounts.service.doors import DoorService
from app.domain.accounts.service.token_pairs import TokenPairService
from app.errors import Invalid
from app.http.addresses import client_address
from app.http.answers import render
from app.http.guards import door
from app.http.openapi.hints import ERRORS
from app.http.throttling import THROTTLE

AnyRequest = Request[Any, Any, Any]
LOGGED_OUT = "Sesión cerrada"


def provide_doors(credentials: Credentials, state: State) -> DoorService:
    pairs = TokenPairService(credentials.session, state.settings)
    return DoorService(credentials, pairs, state.cart_linker)


class DoorController(Controller):
    """`/api/auth/login/`, `/api/token/`, the refresh, and the logout, for which the refresh token is enough."""

    path = "/api"
    tags = ("auth",)
    dependencies = CREDENTIALS | {"doors": Provide(provide_doors, sync_to_thread=False)}

    @post(
        "/auth/login/",
        guards=[door],
        operation_id="auth_login",
        status_code=200,
        opt={ERRORS: (401, 403), THROTTLE: "login"},
        exception_handlers={Invalid: in_one_line},
    )
    async def login(self, request: AnyRequest, data: LoginInput, doors: NamedDependency[DoorService]) -> LoginAnswer:
        address = client_address(request)
        done = await doors.login(data.username, data.password, data.anonymous_cart_id, address)
        account = done.account
        return LoginAnswer(
            user=AuthUser.of(account),
            refresh=done.pair.refresh,
            access=done.pair.access,
            is_staff=account.is_staff,
            is_admin=account.is_staff or account.is_superuser,
            cart_linked=done.cart_id is not None,
            cart_id=done.cart_id,
        )

    @post("/token/", guards=[door], operation_id="auth_token_obtain", status_code=200, opt={ERRORS: (401,)})
    async def obtain(
        self, request: AnyRequest, data: CredentialsInput, doors: NamedDependency[DoorService]
    ) -> ObtainedPair:
        address = client_address(request)
        pair = await doors.obtain(data.username, data.password, address)
        return ObtainedPair(refresh=pair.refresh, access=pair.access)

    @post(
        ["/auth/token/refresh/", "/token/refresh/"],
        guards=[door],
        operation_id="auth_token_refresh",
        status_code=200,
        opt={ERRORS: (401,)},
    )
    async def refresh(
        self, request: AnyRequest, data: RefreshInput, session: NamedDependency[AsyncSession], state: State
    ) -> RefreshedPair | Response[Any]:
        outcome = await TokenPairService(session, state.settings).rotate(data.refresh, client_address(request))
        if isinstance(outcome, RefreshTokenRefused):
            return render(request, outcome)
        return RefreshedPair(access=outcome.access, refresh=outcome.refresh)

    @post("/auth/logout/", guards=[door], operation_id="auth_logout", status_code=200)
    async def log_out(self, data: RefreshInput, session: NamedDependency[AsyncSession], state: State) -> Message:
        await TokenPairService(session, state.settings).end_family(data.refresh)
        return Message(LOGGED_OUT)
