"""A name and a password, checked in one place for all three doors: login, token, Basic."""

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any, Protocol

from msgspec import structs
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries
from app.domain.accounts.queries import Account
from app.domain.accounts.service.passwords import Passwords


class Attempt(Protocol):
    """A password that is being compared; it counts as a failure until it is told that it was none."""

    async def succeeded(self) -> None: ...


# Room for one more failure of an account, known or not; raises when there is none.
Attempts = Callable[[str], Awaitable[Attempt]]


class CredentialService:
    """Reads the account, gives the connection back while the password is hashed, reads the account again.

    It is a request's first use of the session: nothing has been written that letting go of the connection could lose.
    `attempts` bounds the failures, whichever door and name they come by.
    """

    def __init__(self, session: AsyncSession, passwords: Passwords, attempts: Attempts) -> None:
        self.session = session
        self.passwords = passwords
        self.attempts = attempts

    async def by_login(self, name: str, password: str) -> Account | None:
        """The account of a user name or e-mail if the password is right, whatever the account's state."""
        return await self._checked(queries.BY_LOGIN, name, password)

    async def by_username(self, username: str, password: str) -> Account | None:
        return await self._checked(queries.BY_USERNAME, username, password)

    async def by_id(self, user_id: int, password: str) -> Account | None:
        """A signed-in user who says the password once more."""
        return await self._verified(await self._read(queries.BY_ID, user_id=user_id), password, str(user_id))

    async def by_username_each_time(self, username: str, password: str) -> Account | None:
        """As `by_username`, for a client that sends its password each time: a right one is hashed once a minute."""
        if "\0" in username:
            return None
        account = await self._read(queries.BY_USERNAME, name=username)
        if account is not None and self.passwords.remembers(password, account.password_hash):
            return account
        fresh = await self._verified(account, password, username)
        if fresh is not None:
            self.passwords.remember(password, fresh.password_hash)
        return fresh

    async def _checked(self, statement: Select[Any], name: str, password: str) -> Account | None:
        return await self._verified(await self._read(statement, name=name), password, name)

    async def _verified(self, account: Account | None, password: str, name: str) -> Account | None:
        await self.session.close()
        attempt = await self.attempts(f"user {account.id}" if account else f"name {name.lower()}")
        right = await self.passwords.matches(password, account.password_hash if account else None)
        if account is None or not right:
            return None
        await attempt.succeeded()
        return await self._renewed(account, password)

    async def _renewed(self, account: Account, password: str) -> Account | None:
        """The account as it is now, with a hash of ours; None when its password was changed meanwhile."""
        new = await self.passwords.hash(password) if self.passwords.outdated(account.password_hash) else None
        fresh = await self._read(queries.BY_ID, user_id=account.id)
        if fresh is None:
            return None
        if not compare_digest(fresh.password_hash.encode(), account.password_hash.encode()):
            # Of two logins at once that find a hash from elsewhere, one was first to replace it.
            return fresh if new is not None and await self._still(password, fresh) else None
        if new is None:
            return fresh
        await self.session.execute(queries.RENEW_HASH, {"user": fresh.id, "was": fresh.password_hash, "new": new})
        return structs.replace(fresh, password_hash=new)

    async def _still(self, password: str, fresh: Account) -> bool:
        await self.session.close()
        return await self.passwords.matches(password, fresh.password_hash)

    async def _read(self, statement: Select[Any], **parameters: Any) -> Account | None:
        row = (await self.session.execute(statement, parameters)).one_or_none()
        return Account(*row) if row is not None else None
