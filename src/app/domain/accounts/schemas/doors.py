"""The doors on the wire: login, token pair, refresh."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from app.domain.accounts.queries import Account
from app.http.body import Input
from app.http.fields import Password

# A door takes a user name or an e-mail; nothing longer than an address can be either.
LoginName = Annotated[str, Meta(min_length=1, max_length=254)]
RefreshText = Annotated[str, Meta(min_length=1, extra={"trim": False})]


class CartId(UUID):
    """An anonymous cart's id as a login may name it."""

    @classmethod
    def parse(cls, value: Any) -> UUID | None:
        """None for whatever is no UUID: a bad cart never stops a login."""
        try:
            return UUID(value) if isinstance(value, str) else None
        except ValueError:
            return None


class LoginInput(Input):
    """`username` is a user name or an e-mail."""

    username: LoginName
    password: Password
    anonymous_cart_id: CartId | None = None


class CredentialsInput(Input):
    """For a token pair: the user name alone."""

    username: LoginName
    password: Password


class RefreshInput(Input):
    """A refresh token."""

    refresh: RefreshText


class AuthUser(msgspec.Struct):
    """A user as the doors show it."""

    id: int
    username: str
    email: str
    first_name: str
    last_name: str
    is_staff: bool
    is_superuser: bool

    @classmethod
    def of(cls, account: Account) -> "AuthUser":
        return cls(
            account.id,
            account.username,
            account.email,
            account.first_name,
            account.last_name,
            account.is_staff,
            account.is_superuser,
        )


class ObtainedPair(msgspec.Struct):
    """What a token door answers."""

    refresh: str
    access: str


class RefreshedPair(msgspec.Struct):
    """What a refresh answers."""

    access: str
    refresh: str


class LoginAnswer(msgspec.Struct):
    """A login: who, the pair, and what became of the anonymous cart."""

    user: AuthUser
    refresh: str
    access: str
    is_staff: bool
    is_admin: bool
    cart_linked: bool
    cart_id: int | None
