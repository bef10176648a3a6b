"""What all of Google's JSON APIs have in common: the check of the bearer and the shape of errors."""

import time
from typing import Any

import msgspec
from litestar import Response

from sandbox.world import World

_HOW = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
MISSING = f"Request is missing required authentication credential. {_HOW}"
EXPIRED = f"Request had invalid authentication credentials. {_HOW}"
INSUFFICIENT = "Request had insufficient authentication scopes."


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name, "domain": "googleapis.com"}


def error(
    code: int, status: str, message: str, *details: dict[str, Any], retry_after: int | None = None
) -> Response[bytes]:
    """A google.rpc.Status, as all of Google's JSON APIs answer."""
    content = {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return answer(content, status_code=code, headers=headers)


def answer(content: Any, *, status_code: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(
        msgspec.json.encode(content),
        status_code=status_code,
        headers=headers,
        media_type="application/json; charset=UTF-8",
    )


def refusal_of(authorization: str, world: World, *scopes: str) -> Response[bytes] | None:
    """Google's own answer to a request whose token is missing, unknown, too old, or for other scopes; or None."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return error(401, "UNAUTHENTICATED", MISSING, reason("CREDENTIALS_MISSING"))
    until, granted = world.access_tokens.get(token.strip(), (0.0, frozenset()))
    if time.monotonic() >= until:
        return error(401, "UNAUTHENTICATED", EXPIRED, reason("ACCESS_TOKEN_EXPIRED"))
    if granted.isdisjoint(scopes):
        return error(403, "PERMISSION_DENIED", INSUFFICIENT, reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
    return None
