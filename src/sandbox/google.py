"""Google's OAuth2 token endpoint for service accounts, and the check of the tokens that it gave."""

import secrets
import time
from typing import Any
from urllib.parse import parse_qs

import jwt
from jwt.types import Options
from litestar import Request, Response, post

from sandbox.world import World

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# Google's library signs for this one even when the account names another address.
AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPES = "https://www.googleapis.com/auth/"
SKEW_SECONDS = 300
# Checked here, for Google's own words.
UNCHECKED: Options = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
TIMEFRAME = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


class Refused(Exception):
    """The assertion gets no token; the arguments are the answer's two fields."""


@post("/google/token", status_code=200)
async def give_token(request: Request[Any, Any, Any], world: World) -> Response[dict[str, Any]]:
    form = parse_qs((await request.body()).decode(errors="replace"))
    grant, assertion = form.get("grant_type", [""])[0], form.get("assertion", [""])[0]
    try:
        scope = _scope_of(grant, assertion, world, str(request.url))
    except Refused as refusal:
        error, description = refusal.args
        return Response({"error": error, "error_description": description}, status_code=400)
    world.forget_old_tokens()
    token = f"ya29.c.{secrets.token_urlsafe(96)}"
    world.access_tokens[token] = (time.monotonic() + world.token_seconds, frozenset(scope.split()))
    return Response({"access_token": token, "expires_in": world.token_seconds, "token_type": "Bearer"})


def _scope_of(grant: str, assertion: str, world: World, own_url: str) -> str:
    if grant != GRANT_TYPE:
        raise Refused("unsupported_grant_type", f"Invalid grant_type: {grant}")
    claims = _verified(assertion, world)
    issued_at, expires_at, scope = claims.get("iat"), claims.get("exp"), claims.get("scope")
    now = time.time()
    if not isinstance(issued_at, int | float) or not isinstance(expires_at, int | float):
        raise Refused("invalid_grant", TIMEFRAME)
    if expires_at - issued_at > 3600 or expires_at <= now or issued_at > now + SKEW_SECONDS:
        raise Refused("invalid_grant", TIMEFRAME)
    if claims.get("aud") not in {AUDIENCE, own_url, world.account["token_uri"]}:
        raise Refused("invalid_grant", f"Invalid JWT: Failed audience check. The right audience is {AUDIENCE}")
    if not isinstance(scope, str) or not scope or not all(each.startswith(SCOPES) for each in scope.split()):
        raise Refused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return scope


def _verified(assertion: str, world: World) -> dict[str, Any]:
    """The claims, if our account signed them."""
    try:
        issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
        if issuer != world.account["client_email"]:
            raise Refused("invalid_grant", "Invalid grant: account not found")
        claims: dict[str, Any] = jwt.decode(assertion, world.public_key, algorithms=["RS256"], options=UNCHECKED)
    except jwt.PyJWTError:
        raise Refused("invalid_grant", "Invalid JWT Signature.") from None
    return claims
