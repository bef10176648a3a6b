"""The caller's own account."""

from typing import Any

from litestar import Controller, Request, Response, get, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.smtp import require_mail
from app.domain.accounts.controllers.credentials import CREDENTIALS, Credentials, Recovery, provide_recovery
from app.domain.accounts.controllers.refusals import in_one_line
from app.domain.accounts.schemas.profile import AdminVerdict, CodeRequest, Me, PasswordChangeInput, ProfileInput
from app.domain.accounts.schemas.registration import Message, PasswordChanged
from app.domain.accounts.service.profiles import OwnProfile, ProfileService
from app.domain.accounts.service.proofs import ProofService
from app.domain.accounts.service.standing import StandingService
from app.errors import AppError, Invalid
from app.http.answers import render
from app.http.guards import signed_in
from app.http.openapi.hints import ERRORS
from app.http.principal import Principal
from app.http.throttling import THROTTLE

CODE_SENT = "Te enviamos un código de verificación por email"
LOGGED_OUT_ALL = "Se cerraron todas las sesiones"

Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]
AnyRequest = Request[Any, Any, Any]


class ProfileController(Controller):
    """`/api/auth/me/`, the own password, codes for changes, and `/api/auth/verify-admin/`."""

    path = "/api/auth"
    tags = ("auth",)
    dependencies = CREDENTIALS | {"recovery": Provide(provide_recovery, sync_to_thread=False)}

    @get("/me/", guards=[signed_in], operation_id="auth_me_retrieve")
    async def me(self, session: Session, user: User, state: State) -> Me:
        return _me(await ProfileService(session, user, state.settings).read())

    @put("/me/", guards=[signed_in], operation_id="auth_me_update", opt={THROTTLE: "profile_update"})
    async def update_me(
        self, request: AnyRequest, data: ProfileInput, session: Session, user: User, state: State
    ) -> Me | Response[Any]:
        done = await ProfileService(session, user, state.settings).change(data.given())
        return render(request, done) if isinstance(done, AppError) else _me(done)

    @post(
        "/change-password/",
        guards=[signed_in],
        operation_id="auth_change_password",
        opt={THROTTLE: "change_password"},
        status_code=200,
        exception_handlers={Invalid: in_one_line},
    )
    async def change_password(
        self, request: AnyRequest, data: PasswordChangeInput, user: User, credentials: Credentials, recovery: Recovery
    ) -> PasswordChanged | Response[Any]:
        """Ends every token of the user; the answer's pair is the only one that lives."""
        done = await recovery.change(credentials, user, data)
        if isinstance(done, AppError):
            return render(request, done)
        return PasswordChanged(access=done.access, refresh=done.refresh)

    @post(
        "/verify-change/",
        guards=[signed_in],
        operation_id="auth_verify_change",
        status_code=200,
        exception_handlers={Invalid: in_one_line},
    )
    async def verify_change(
        self, data: CodeRequest, session: Session, user: User, state: State, credentials: Credentials
    ) -> Message:
        require_mail(state.settings)
        await ProofService(session, state.settings, credentials).ask(user.id, data)
        return Message(CODE_SENT)

    @post("/logout-all/", guards=[signed_in], operation_id="auth_logout_all", status_code=200)
    async def log_out_everywhere(self, session: Session, user: User, state: State) -> Message:
        await StandingService(session, state.settings).end_sessions(user.id, user)
        return Message(LOGGED_OUT_ALL)

    @get("/verify-admin/", guards=[signed_in], operation_id="auth_verify_admin", opt={ERRORS: (403,)})
    async def verify_admin(self, user: User) -> Response[AdminVerdict]:
        if not user.is_admin:
            refusal = AdminVerdict(is_admin=False, is_staff=False, message="User is not an administrator")
            return Response(refusal, status_code=403)
        verdict = AdminVerdict(
            is_admin=True, is_staff=True, username=user.username, message="User has admin permissions"
        )
        return Response(verdict)


def _me(own: OwnProfile) -> Me:
    account = own.account
    return Me(
        id=account.id,
        username=account.username,
        email=account.email,
        first_name=account.first_name,
        last_name=account.last_name,
        is_staff=account.is_staff,
        is_superuser=account.is_superuser,
        location=own.location,
    )
