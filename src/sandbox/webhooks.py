"""A receiver of the shop's own webhooks: checks their signatures by Standard Webhooks and keeps what it got.

It knows the secrets that it was told at `/webhooks/__emu__/secret`. What is signed with none of them, or long ago, is
refused with 401 and kept all the same, so that a person sees why.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from sandbox.ledger import Hook, now
from sandbox.world import World

TOLERANCE_SECONDS = 300


class Secret(msgspec.Struct, forbid_unknown_fields=True):
    """`whsec_` and base64, as the shop shows it once."""

    secret: str


@post("/webhooks/__emu__/secret", status_code=200)
async def learn(world: World, data: Secret) -> dict[str, int]:
    """How many secrets are known now."""
    world.hook_secrets.append(key_of(data.secret))
    return {"secrets": len(world.hook_secrets)}


@get("/webhooks.json")
async def list_hooks(world: World) -> list[Hook]:
    """Newest first."""
    return list(world.ledger.hooks.newest_first())


@post("/webhooks/{name:str}")
async def receive(request: Request[Any, Any, Any], name: str, world: World) -> Response[None]:
    body = await request.body()
    problem = problem_of(world.hook_secrets, dict(request.headers), body, time.time())
    text = body.decode(errors="replace")
    kind = re.search(r'"type" ?: ?"([^"]{1,60})"', text)
    message_id = request.headers.get("webhook-id", "")
    seen = sum(1 for one in world.ledger.hooks.newest_first() if one.message_id == message_id)
    world.ledger.hooks.add(
        Hook(name, message_id, kind[1] if kind else "", problem or "verified", seen + 1, text[:4000], now())
    )
    return Response(None, status_code=401 if problem else 204)


def key_of(secret: str) -> bytes:
    """Raises ValueError for what is no secret."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is whsec_ and base64") from error


def problem_of(secrets: list[bytes], headers: dict[str, str], body: bytes, at: float) -> str:
    """Why a message is not believed; empty when it is."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not stamp.isdecimal() or not headers.get("webhook-signature"):
        return "a header is missing"
    if abs(at - int(stamp)) > TOLERANCE_SECONDS:
        return "too old"
    signed = f"{message_id}.{stamp}.".encode() + body
    given = [part.partition(",") for part in headers["webhook-signature"].split(" ")]
    for secret in secrets:
        right = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
        if any(version == "v1" and hmac.compare_digest(value, right) for version, _, value in given):
            return ""
    return "no signature of a known secret"


HANDLERS = (learn, list_hooks, receive)
