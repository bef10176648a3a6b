"""From a form to an account that may enter: registration, the code for its e-mail, the proof."""

from hmac import compare_digest

import msgspec
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries
from app.domain.accounts.models import User
from app.domain.accounts.queries import Account
from app.domain.accounts.rules.codes import CodeRefused
from app.domain.accounts.rules.doors import AccountBlocked, awaits_proof
from app.domain.accounts.rules.names import username_problems
from app.domain.accounts.rules.passwords import Owner
from app.domain.accounts.rules.registration import (
    EMAIL_TAKEN,
    PASSWORDS_DIFFER,
    RegistrationRefused,
    unverified_holder,
)
from app.domain.accounts.schemas.registration import RegisterInput
from app.domain.accounts.service.accounts import AccountService
from app.domain.accounts.service.codes import CodeService
from app.domain.accounts.service.passwords import Passwords
from app.domain.accounts.service.token_pairs import TokenPair, TokenPairService
from app.domain.activity.service import ActivityService
from app.errors import Invalid
from app.settings import Settings

# How often a registration looks again when somebody else was faster.
_LOOKS = 3


class Registered(msgspec.Struct, frozen=True):
    """`resent` says that the account had been there already and only its code was sent again."""

    user_id: int
    email: str
    resent: bool


class Verified(msgspec.Struct, frozen=True):
    """Who proved the e-mail, and their first pair."""

    user_id: int
    pair: TokenPair


class RegistrationService:
    """Makes accounts that prove their e-mail before they may enter."""

    def __init__(self, session: AsyncSession, settings: Settings, passwords: Passwords) -> None:
        self.session = session
        self.passwords = passwords
        self.codes = CodeService(session, settings)
        self.pairs = TokenPairService(session, settings)

    async def register(self, data: RegisterInput, address: str | None) -> Registered:
        """A new account and the mail with its code; for one that lacks the proof of this e-mail the mail alone.

        A user name or e-mail that is taken, also by somebody who was faster, and weak or unequal passwords raise
        RegistrationRefused.
        """
        self._judge(data)
        # Before the first statement: no connection is held while the threads hash.
        password_hash = await self.passwords.hash(data.password)
        for _ in range(_LOOKS):
            found = await self.session.execute(
                queries.BY_NAME_OR_EMAIL, {"username": data.username, "name": data.email}
            )
            holder = unverified_holder(data.email, [Account(*row) for row in found])
            if holder is not None:
                if await self._send(holder.email):
                    return Registered(holder.id, holder.email, resent=True)
            elif made := await self._make(data, password_hash, address):
                return made
        raise RegistrationRefused(EMAIL_TAKEN)

    def _judge(self, data: RegisterInput) -> None:
        owner = Owner(data.username, data.first_name, data.last_name, data.email)
        problems = username_problems(data.username) + self.passwords.problems(data.password, owner)
        if not compare_digest(data.password.encode(), data.password2.encode()):
            problems.append(PASSWORDS_DIFFER)
        if problems:
            raise RegistrationRefused(*problems)

    async def _make(self, data: RegisterInput, password_hash: str, address: str | None) -> Registered | None:
        """None when the user name or the e-mail was taken a moment ago."""
        names = {"first_name": data.first_name, "last_name": data.last_name}
        try:
            user = await AccountService(self.session, self.passwords).add(
                data.username, data.email, password_hash, is_active=False, email_verified=False, **names
            )
        except Invalid:
            return None
        await self.codes.issue(user.id, "EMAIL_VERIFICATION", user.email)
        await ActivityService(self.session).record(
            actor_id=user.id,
            action="register",
            description="Usuario registrado",
            content_type="user",
            object_id=user.id,
            address=address,
        )
        return Registered(user.id, user.email, resent=False)

    async def resend(self, email: str) -> None:
        """Another code, if an account waits for the proof of this address; nobody learns whether one does."""
        await self._send(email)

    async def _send(self, email: str) -> bool:
        account = await self._locked(email)
        waits = account is not None and awaits_proof(account)
        await self.codes.issue(account.id if account and waits else None, "EMAIL_VERIFICATION", email)
        return waits

    async def verify(self, email: str, code: str) -> Verified | CodeRefused | AccountBlocked:
        """The proof of an e-mail: the account becomes active, unless it is blocked, and is let in.

        A wrong code is returned, so that its try is counted, and so is the refusal of a blocked account.
        """
        account = await self._locked(email)
        waiting = account is not None and not account.email_verified
        user_id = account.id if account and waiting else None
        if not await self.codes.prove(user_id, "EMAIL_VERIFICATION", code, email) or account is None:
            return CodeRefused()
        await self.session.execute(update(User).where(User.id == account.id).values(queries.PROVEN))
        if account.blocked_at is not None:
            return AccountBlocked()
        return Verified(account.id, await self.pairs.give(account.id, account.version))

    async def _locked(self, email: str) -> Account | None:
        row = (await self.session.execute(queries.LOCKED_BY_EMAIL, {"name": email})).one_or_none()
        return Account(*row) if row is not None else None
