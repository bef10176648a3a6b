"""The doors: login with its cart, and the bare token pair."""

from typing import Protocol
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.queries import Account
from app.domain.accounts.rules.doors import NoAccountForCredentials, WrongLogin, check_may_enter
from app.domain.accounts.service.credentials import CredentialService
from app.domain.accounts.service.token_pairs import TokenPair, TokenPairService
from app.domain.activity.service import ActivityService


class CartLinker(Protocol):
    """What a login asks of the carts, which come later in the line of domains; `server.py` fills it."""

    async def link(self, session: AsyncSession, user_id: int, anonymous_id: UUID) -> int | None:
        """Make the anonymous cart the user's, in this transaction: its id, or None when there is nothing to link."""
        ...


async def link_cart(
    linker: CartLinker | None, session: AsyncSession, user_id: int, anonymous_id: UUID | None
) -> int | None:
    """The id of the cart that was linked; None without a linker, without a cart, or when there is nothing to link."""
    if anonymous_id is None or linker is None:
        return None
    return await linker.link(session, user_id, anonymous_id)


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

    async def login(self, name: str, password: str, anonymous_cart_id: UUID | None, address: str | None) -> Login:
        """By user name or e-mail. Raises WrongLogin, and with the right password AccountBlocked or EmailNotVerified."""
        account = await self.credentials.by_login(name, password)
        if account is None:
            raise WrongLogin
        check_may_enter(account)
        pair = await self.pairs.give(account.id, account.version)
        await self._log(account, address)
        cart_id = await link_cart(self.linker, self.credentials.session, account.id, anonymous_cart_id)
        return Login(account, pair, cart_id)

    async def obtain(self, username: str, password: str, address: str | None) -> TokenPair:
        """By user name alone. Raises NoAccountForCredentials, also for an account that is not active."""
        account = await self.credentials.by_username(username, password)
        if account is None or not account.is_active:
            raise NoAccountForCredentials
        await self._log(account, address)
        return await self.pairs.give(account.id, account.version)

    async def _log(self, account: Account, address: str | None) -> None:
        await ActivityService(self.credentials.session).record(
            actor_id=account.id,
            action="login",
            description="Sesión iniciada",
            content_type="user",
            object_id=account.id,
            address=address,
        )
