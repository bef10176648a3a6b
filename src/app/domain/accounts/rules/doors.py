"""What the doors decide: who a header names, which account may enter, which words a refusal has. Pure."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from app.errors import Forbidden, NotAuthenticated, Refused


class BadAuthorizationHeader(NotAuthenticated):
    """Authorization header must contain two space-delimited values"""

    code = "bad_authorization_header"


class UserNotFound(NotAuthenticated):
    """User not found"""

    code = "user_not_found"


class UserInactive(NotAuthenticated):
    """User is inactive"""

    code = "user_inactive"


class AccessTokenRefused(NotAuthenticated):
    """Given token not valid for any token type"""

    code = "token_not_valid"

    def __init__(self, reason: str) -> None:
        super().__init__(messages=[{"token_class": "AccessToken", "token_type": "access", "message": reason}])


class RefreshTokenRefused(NotAuthenticated):
    """Token is blacklisted"""

    code = "token_not_valid"


class NoAccountForToken(NotAuthenticated):
    """No active account found for the given token."""


class NoAccountForCredentials(NotAuthenticated):
    """No active account found with the given credentials"""


class WrongBasicCredentials(NotAuthenticated):
    """Invalid username/password."""


class WrongLogin(NotAuthenticated):
    """Credenciales inválidas"""

    key: ClassVar[str] = "error"


class WrongPassword(Refused):
    """La contraseña actual es incorrecta"""


class AccountBlocked(Forbidden):
    """account_blocked"""

    key: ClassVar[str] = "error"


class EmailNotVerified(Forbidden):
    """email_not_verified"""

    key: ClassVar[str] = "error"

    def __init__(self, email: str) -> None:
        super().__init__(email=email)


class Bearer(msgspec.Struct, frozen=True):
    """A token as it stood in the header."""

    token: str


class Basic(msgspec.Struct, frozen=True):
    """A user name and a password as they stood in the header."""

    username: str
    password: str


def read_authorization(values: Sequence[bytes], *, basic: bool) -> Bearer | Basic | None:
    """Whom the `Authorization` headers name; None is anonymous, as is a scheme that we do not know.

    `Bearer` is written so, Basic in any case (`basic` says whether it is accepted). Raises NotAuthenticated for a
    header that is malformed or comes twice.
    """
    if len(values) > 1:
        raise BadAuthorizationHeader
    parts = values[0].split() if values else []
    if not parts:
        return None
    if parts[0] == b"Bearer":
        if len(parts) != 2:
            raise BadAuthorizationHeader
        return Bearer(parts[1].decode("latin-1"))
    if basic and parts[0].lower() == b"basic":
        return _read_basic(parts)
    return None


def _read_basic(parts: Sequence[bytes]) -> Basic:
    if len(parts) == 1:
        raise NotAuthenticated("Invalid basic header. No credentials provided.")
    if len(parts) > 2:
        raise NotAuthenticated("Invalid basic header. Credentials string should not contain spaces.")
    try:
        decoded = base64.b64decode(parts[1], validate=True)
    except binascii.Error as error:
        raise NotAuthenticated("Invalid basic header. Credentials not correctly base64 encoded.") from error
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    username, colon, password = text.partition(":")
    if not colon:
        raise NotAuthenticated("Invalid basic header. Credentials not correctly base64 encoded.")
    return Basic(username, password)


def check_may_enter(account: Any) -> None:
    """For a login with the right password. Raises AccountBlocked or EmailNotVerified."""
    if account.is_active:
        return
    if account.blocked_at is not None or account.email_verified:
        raise AccountBlocked
    raise EmailNotVerified(account.email)


def awaits_proof(account: Any) -> bool:
    """Whether a code for its e-mail would let the account in."""
    return not account.email_verified and account.blocked_at is None
