"""Registration, the proof of an e-mail, a forgotten password: open to anybody, a token in the header is not looked at.

What is wrong is said under `error`, as the contract has it.
"""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.smtp import require_mail
from app.domain.accounts.controllers.beats import Beat
from app.domain.accounts.controllers.credentials import Recovery, provide_recovery
from app.domain.accounts.controllers.refusals import in_a_list, in_one_line
from app.domain.accounts.schemas.registration import (
    REGISTERED,
    RESENT,
    AddressInput,
    Message,
    PasswordChanged,
    RegisteredAnswer,
    RegisterInput,
    ResetInput,
    VerifiedAnswer,
    VerifyEmailInput,
)
from app.domain.accounts.service.doors import link_cart
from app.domain.accounts.service.registration import RegistrationService
from app.errors import AppError, Invalid
from app.http.addresses import client_address
from app.http.answers import render
from app.http.guards import door
from app.http.openapi.hints import ERRORS
from app.http.throttling import THROTTLE

# One text for every address, known or not.
SENT_AGAIN = "Si el email corresponde a una cuenta sin verificar, te enviamos un nuevo código"
RESET_SENT = "Si el email está registrado, te enviamos un código para restablecer la contraseña"

Session = NamedDependency[AsyncSession]
AnyRequest = Request[Any, Any, Any]
Registration = NamedDependency[RegistrationService]


def provide_registration(session: Session, state: State) -> RegistrationService:
    return RegistrationService(session, state.settings, state.passwords)


class RegistrationController(Controller):
    """How somebody without an account, or without its password, gets in."""

    path = "/api/auth"
    tags = ("auth",)
    exception_handlers = {Invalid: in_one_line}  # noqa: RUF012 - Litestar reads it from the class
    dependencies = {  # noqa: RUF012 - likewise
        "registration": Provide(provide_registration, sync_to_thread=False),
        "recovery": Provide(provide_recovery, sync_to_thread=False),
    }

    @post(
        "/register/",
        guards=[door],
        operation_id="auth_register",
        opt={THROTTLE: "register"},
        exception_handlers={Invalid: in_a_list},
    )
    async def register(
        self, request: AnyRequest, data: RegisterInput, registration: Registration, state: State
    ) -> Response[RegisteredAnswer]:
        require_mail(state.settings)
        done = await registration.register(data, client_address(request))
        if done.resent:
            known = RegisteredAnswer(message=RESENT, user_id=done.user_id, email=done.email, resend=True)
            return Response(known, status_code=200)
        return Response(RegisteredAnswer(message=REGISTERED, user_id=done.user_id, email=done.email), status_code=201)

    @post("/verify-email/", guards=[door], operation_id="auth_verify_email", status_code=200, opt={ERRORS: (403,)})
    async def verify_email(
        self, request: AnyRequest, data: VerifyEmailInput, session: Session, registration: Registration, state: State
    ) -> VerifiedAnswer | Response[Any]:
        beat = Beat()
        done = await registration.verify(data.email, data.code)
        if isinstance(done, AppError):
            await beat.wait(request)
            return render(request, done)
        cart_id = await link_cart(state.cart_linker, session, done.user_id, data.anonymous_cart_id)
        access, refresh = done.pair.access, done.pair.refresh
        linked = cart_id is not None
        return VerifiedAnswer(token=access, access=access, refresh=refresh, cart_linked=linked, cart_id=cart_id)

    @post("/resend-verification/", guards=[door], operation_id="auth_resend_verification", status_code=200)
    async def resend(
        self, request: AnyRequest, data: AddressInput, registration: Registration, state: State
    ) -> Message:
        require_mail(state.settings)
        beat = Beat()
        await registration.resend(data.email)
        await beat.wait(request)
        return Message(SENT_AGAIN)

    @post("/request-password-reset/", guards=[door], operation_id="auth_request_password_reset", status_code=200)
    async def request_reset(self, request: AnyRequest, data: AddressInput, recovery: Recovery, state: State) -> Message:
        require_mail(state.settings)
        beat = Beat()
        await recovery.request_reset(data.email)
        await beat.wait(request)
        return Message(RESET_SENT)

    @post(
        "/verify-password-reset/",
        guards=[door],
        operation_id="auth_verify_password_reset",
        status_code=200,
        opt={ERRORS: (403,)},
    )
    async def reset(self, request: AnyRequest, data: ResetInput, recovery: Recovery) -> PasswordChanged | Response[Any]:
        address, beat = client_address(request), Beat()
        done = await recovery.reset(data.email, data.code, data.new_password, address)
        if isinstance(done, AppError):
            await beat.wait(request)
            return render(request, done)
        return PasswordChanged(access=done.access, refresh=done.refresh)
