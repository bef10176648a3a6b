"""Passwords that change: by their owner, and by whoever can read the account's mail."""

from hmac import compare_digest

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries
from app.domain.accounts.models import User
from app.domain.accounts.queries import Account
from app.domain.accounts.rules.codes import CodeRefused
from app.domain.accounts.rules.doors import AccountBlocked, UserInactive, WrongPassword
from app.domain.accounts.rules.passwords import Owner
from app.domain.accounts.schemas.profile import PasswordChangeInput
from app.domain.accounts.service.codes import CodeService
from app.domain.accounts.service.credentials import CredentialService
from app.domain.accounts.service.passwords import Passwords
from app.domain.accounts.service.token_pairs import TokenPair, TokenPairService
from app.domain.activity.service import ActivityService
from app.errors import Refused
from app.http.principal import Principal
from app.settings import Settings


class PasswordService:
    """A new password ends every token and every code of its user; the answer's pair is the only one that lives."""

    def __init__(self, session: AsyncSession, settings: Settings, passwords: Passwords) -> None:
        self.session = session
        self.passwords = passwords
        self.codes = CodeService(session, settings)
        self.pairs = TokenPairService(session, settings)

    async def change(
        self, credentials: CredentialService, user: Principal, data: PasswordChangeInput
    ) -> TokenPair | CodeRefused:
        """By its owner, with the old password and, where one was asked for, a code.

        Raises WrongPassword, and Refused for a new one that is too weak. A wrong code is returned: its try counts.
        """
        account = await credentials.by_id(user.id, data.old_password)
        if account is None:
            raise WrongPassword
        self._judge(data.new_password, account.owner)
        # No connection is held while the threads hash.
        await self.session.close()
        password_hash = await self.passwords.hash(data.new_password)
        found = (await self.session.execute(queries.LOCKED_BY_ID, {"user_id": user.id})).one_or_none()
        if found is None or not compare_digest(found.password_hash.encode(), account.password_hash.encode()):
            raise WrongPassword
        if not found.is_active:
            raise UserInactive
        code = data.verification_code
        if code and not await self.codes.prove(user.id, "PASSWORD_CHANGE", code, found.email):
            return CodeRefused()
        version = await self._store(Account(*found), password_hash, "password_change", user.id, user.address)
        return await self.pairs.give(user.id, version)

    async def request_reset(self, email: str) -> None:
        """Mail a code, if the address has an account; nobody learns whether it has."""
        account = await self._locked(email)
        await self.codes.issue(account.id if account else None, "PASSWORD_RESET", email)

    async def reset(
        self, email: str, code: str, new: str, address: str | None
    ) -> TokenPair | CodeRefused | AccountBlocked:
        """By whoever has the code, which proves the e-mail as well. It lifts no block.

        Raises Refused for a password that is too weak; the code stays good then. Refusals that leave a trace (a counted
        try, the new password of a blocked account) are returned.
        """
        self._judge(new, Owner(email=email))
        account = await self._locked(email)
        proven = await self.codes.prove(account.id if account else None, "PASSWORD_RESET", code, email)
        if account is None or not proven:
            return CodeRefused()
        self._judge(new, account.owner)
        await self.session.execute(update(User).where(User.id == account.id).values(queries.PROVEN))
        version = await self._store(account, await self.passwords.hash(new), "password_reset", account.id, address)
        if account.blocked_at is not None:
            return AccountBlocked()
        return await self.pairs.give(account.id, version)

    async def set(self, user_id: int, new: str) -> None:
        """By whoever runs the command line. Raises Refused for a password that is too weak."""
        account = Account(*(await self.session.execute(queries.LOCKED_BY_ID, {"user_id": user_id})).one())
        self._judge(new, account.owner)
        await self._store(account, await self.passwords.hash(new), "password_reset", None, None)

    def _judge(self, password: str, owner: Owner) -> None:
        if problems := self.passwords.problems(password, owner):
            raise Refused(" ".join(problems))

    async def _store(
        self, account: Account, password_hash: str, action: str, actor_id: int | None, address: str | None
    ) -> int:
        """The version of the tokens to come."""
        await self.session.execute(update(User).where(User.id == account.id).values(password_hash=password_hash))
        await self.codes.void(account.id)
        await ActivityService(self.session).record(
            actor_id=actor_id,
            action=action,
            description="Contraseña cambiada",
            content_type="user",
            object_id=account.id,
            address=address,
        )
        return await self.pairs.end_all(account.id)

    async def _locked(self, email: str) -> Account | None:
        row = (await self.session.execute(queries.LOCKED_BY_EMAIL, {"name": email})).one_or_none()
        return Account(*row) if row is not None else None
