"""How handlers get at passwords: at their check, with its bound on failures, and at their change."""

from functools import partial
from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.service.credentials import CredentialService
from app.domain.accounts.service.recovery import PasswordService

Credentials = NamedDependency[CredentialService]
Recovery = NamedDependency[PasswordService]


def provide_credentials(
    request: Request[Any, Any, Any], session: NamedDependency[AsyncSession], state: State
) -> CredentialService:
    return CredentialService(session, state.passwords, partial(state.throttle.begin_attempt, request))


def provide_recovery(session: NamedDependency[AsyncSession], state: State) -> PasswordService:
    return PasswordService(session, state.settings, state.passwords)


CREDENTIALS = {"credentials": Provide(provide_credentials, sync_to_thread=False)}
