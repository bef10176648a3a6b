"""The shared key of the cron routes: where callers show it, and whether it is the right one."""

import re
from collections.abc import Iterator
from hmac import compare_digest
from typing import Any

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection

from app.errors import AppError
from app.http.decoding import decode_body

Connection = ASGIConnection[Any, Any, Any, Any]
IN_QUERY, IN_BODY = "api_key", "auth_key"
# A bearer of this form is a user's, and not meant as a key.
_SIGNED = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)


class ShownKey(msgspec.Struct, frozen=True):
    """`right` if one of the keys shown is ours; `wrong` if something was shown that can only be meant as a key."""

    right: bool
    wrong: bool


async def shown_key(connection: Connection, secret: str) -> ShownKey:
    """What a caller shows in `Authorization` (bare or as a bearer), in the query or in the body.

    Without a secret nothing is right. Each comparison takes the same time wherever the first difference is. Another
    scheme's credentials, a user's token among them, count as nothing shown.
    """
    keys = [*_in_header(connection), *_in_query(connection), *await _in_body(connection)]
    wanted = secret.encode()
    right = [compare_digest(key.encode("utf-8", "surrogatepass"), wanted) for key, _ in keys]
    return ShownKey(right=bool(secret) and any(right), wrong=any(plainly for _, plainly in keys))


def _in_header(connection: Connection) -> Iterator[tuple[str, bool]]:
    """The value, and whether it can be meant as nothing but a key."""
    value = connection.headers.get("authorization", "").strip()
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        key = rest.strip()
        yield key, not _SIGNED.fullmatch(key)
    elif value and scheme.lower() != "basic":
        yield value, True


def _in_query(connection: Connection) -> Iterator[tuple[str, bool]]:
    yield from ((key, True) for key in connection.query_params.getall(IN_QUERY, []) if key)


async def _in_body(connection: Connection) -> list[tuple[str, bool]]:
    if not isinstance(connection, Request):
        return []
    try:
        raw = decode_body(connection.headers.get("content-type", ""), await connection.body())
    except AppError:
        return []
    key = raw.get(IN_BODY) if isinstance(raw, dict) else None
    return [(key, True)] if isinstance(key, str) and key else []
