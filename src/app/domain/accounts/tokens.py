"""Tokens as SimpleJWT makes them, read more strictly than it does: pure, the clock and the ids are arguments.

To its claims we add `ver`, the user's token version; a token without one (an older deployment's) counts as version 0.
"""

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import jwt
import msgspec
from msgspec import UNSET, Meta

Kind = Literal["access", "refresh"]
ACCESS: Final = "access"
REFRESH: Final = "refresh"
LIFETIME_SECONDS: dict[str, int] = {ACCESS: 3600, REFRESH: 7 * 24 * 3600}
# Clocks of two machines may differ by this much before a token counts as made in the future.
SKEW_SECONDS = 5
MAX_TOKEN_LENGTH = 4096
INVALID = "Token is invalid"
EXPIRED = "Token is expired"
WRONG_TYPE = "Token has wrong type"
ALGORITHM = "HS256"

# Base64url without padding, the unused bits of its last character zero: each token has one spelling only.
_PART = r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{4}|[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])"
_TOKEN = re.compile(rf"{_PART}\.{_PART}\.{_PART}", re.ASCII)
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_INT8_MAX = 2**63 - 1
# The header as we and PyJWT's releases write it: each token has one of these spellings, encoded.
_HEADERS = frozenset(
    urlsafe_b64encode(json.dumps(header, separators=(",", ":")).encode()).rstrip(b"=").decode()
    for header in ({"alg": ALGORITHM, "typ": "JWT"}, {"typ": "JWT", "alg": ALGORITHM}, {"alg": ALGORITHM})
)

Seconds = Annotated[int, Meta(ge=0, le=_INT8_MAX)]


class BadToken(ValueError):
    """Why a token is refused, in SimpleJWT's words."""


class Token(msgspec.Struct, frozen=True):
    """What a verified token says. `expires_at` is in seconds since 1970."""

    kind: str
    user_id: int
    version: int
    jti: str
    expires_at: int


class _Claims(msgspec.Struct, frozen=True):
    kind: str = msgspec.field(name="token_type")
    exp: Seconds
    jti: Annotated[str, Meta(min_length=1, max_length=255)]
    user_id: str | int
    iat: Seconds | None = None
    nbf: Seconds | None = None
    ver: Annotated[int, Meta(ge=0, le=_INT8_MAX)] = 0
    # We never name an issuer or an audience: a token that does was made for somebody else.
    iss: Any = UNSET
    aud: Any = UNSET


_decoder = msgspec.json.Decoder(_Claims)


def signing_secrets(current: str, previous: str) -> tuple[str, ...]:
    """The secrets that tokens are read with; the first one signs. `previous` is empty but during a rotation."""
    return (current, previous) if previous else (current,)


def mint(secret: str, kind: Kind, *, user_id: int, version: int, jti: UUID, now: int) -> str:
    """A signed token that lives from `now` (seconds since 1970) for its kind's lifetime."""
    claims = {
        "token_type": kind,
        "exp": now + LIFETIME_SECONDS[kind],
        "iat": now,
        "jti": jti.hex,
        "user_id": str(user_id),
        "ver": version,
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read(secrets: Sequence[str], text: str, kind: Kind, *, now: int) -> Token:
    """Verify a token's form, signature (by any of the secrets), time and kind. Raises BadToken."""
    if len(text) > MAX_TOKEN_LENGTH or not _TOKEN.fullmatch(text):
        raise BadToken(INVALID)
    try:
        claims = _decoder.decode(_verified(secrets, text))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadToken(INVALID) from error
    if claims.iss is not UNSET or claims.aud is not UNSET:
        raise BadToken(INVALID)
    if claims.exp <= now:
        raise BadToken(EXPIRED)
    if max(claims.iat or 0, claims.nbf or 0) > now + SKEW_SECONDS:
        raise BadToken(INVALID)
    if claims.kind != kind:
        raise BadToken(WRONG_TYPE)
    return Token(kind, _user_id(claims.user_id), claims.ver, claims.jti, claims.exp)


def _verified(secrets: Sequence[str], text: str) -> bytes:
    """The payload, if one of the secrets signed it and the header is ours to the letter. Raises BadToken.

    PyJWT signs; to read, where one algorithm and a fixed header leave nothing to choose, it takes three times as long.
    """
    signed, _, signature = text.rpartition(".")
    header, _, payload = signed.partition(".")
    given, message = _decoded(signature), signed.encode("ascii")
    if header in _HEADERS:
        for secret in secrets:
            if hmac.compare_digest(given, hmac.digest(secret.encode(), message, "sha256")):
                return _decoded(payload)
    raise BadToken(INVALID)


def _decoded(part: str) -> bytes:
    """Base64url without its padding."""
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _user_id(value: str | int) -> int:
    number = int(value) if isinstance(value, int) or _ID.fullmatch(value) else 0
    if not 0 < number <= _INT8_MAX:
        raise BadToken(INVALID)
    return number
