"""The doors: login with its cart, and the bare token pair."""

from typing import Protocol
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.queries import Account
from app.domain.accounts.rules.doors import NoAccountForCredentials, WrongLogin, check_may_enter
from app.domain.accounts.service.credentials import CredentialService
from app.domain.accounts.service.token_pairs import TokenPair, TokenPairService


class CartLinker(Protocol):
    """What a login asks of the carts, which come later in the line of domains; `server.py` fills it."""

    async def link(self, session: AsyncSession, user_id: int, anonymous_id: UUID) -> int | None:
        """Make the anonymous cart the user's, in this transaction: its id, or None when there is nothing to link."""
        ...


class Login(msgspec.Struct, frozen=True):
    """Who came in, with what; `cart_id` is None when no cart was linked."""

    account: Account
    pair: TokenPair
    cart_id: int | None


class DoorService:
    """Lets accounts in."""

    def __init__(
        self, credentials: CredentialService, pairs: TokenPairService, linker: CartLinker | None = None
    ) -> None:
        self.credentials = credentials
        self.pairs = pairs
        self.linker = linker

    async def login(self, name: str, password: str, anonymous_cart_id: UUID | None) -> Login:
        """By user name or e-mail. Raises WrongLogin, and with the right password AccountBlocked or EmailNotVerified."""
        account = await self.credentials.by_login(name, password)
        if account is None:
            raise WrongLogin
        check_may_enter(account)
        pair = await self.pairs.give(account.id, account.version)
        return Login(account, pair, await self.link_cart(account.id, anonymous_cart_id))

    async def obtain(self, username: str, password: str) -> TokenPair:
        """By user name alone. Raises NoAccountForCredentials, also for an account that is not active."""
        account = await self.credentials.by_username(username, password)
        if account is None or not account.is_active:
            raise NoAccountForCredentials
        return await self.pairs.give(account.id, account.version)

    async def link_cart(self, user_id: int, anonymous_id: UUID | None) -> int | None:
        if anonymous_id is None or self.linker is None:
            return None
        return await self.linker.link(self.credentials.session, user_id, anonymous_id)
