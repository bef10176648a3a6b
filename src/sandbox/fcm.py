"""Firebase Cloud Messaging, HTTP v1. The beginning of a token says what becomes of a push to it.

`unregistered-`, `mismatch-`, `invalid-`, `quota-` and `thirdparty-` fail as FCM fails; `unavail-x` fails always and
`unavail-x:3` three times; the answer to `slow-x` comes late and that to `slow-x:0.5` half a second late.
"""

import asyncio
import re
import secrets
import time
from typing import Any

import msgspec
from litestar import Request, Response, post

from sandbox import fcm_errors as errors
from sandbox import fcm_rules, fcm_schema
from sandbox.google_api import answer, refusal_of
from sandbox.ledger import Push, now
from sandbox.world import World

SCOPES = (
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
)


@post("/fcm/v1/projects/{project:str}/messages:send", status_code=200)
async def send_message(request: Request[Any, Any, Any], project: str, world: World) -> Response[bytes]:
    if refusal := refusal_of(request.headers.get("Authorization", ""), world, *SCOPES):
        return refusal
    if project != world.account["project_id"]:
        return errors.not_permitted(project)
    try:
        content = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return errors.bad_request([("", "Invalid JSON payload received. Unexpected token.")])
    wanted, violations = fcm_schema.read(content)
    if violations:
        return errors.bad_request(violations)
    message = wanted.get("message", {})
    if violation := fcm_rules.violation_of(message):
        return errors.invalid_argument(*violation)
    if failure := _failure(message.get("token", ""), world):
        return failure
    return await _accept(message, wanted.get("validate_only", False), world)


def _failure(token: str, world: World) -> Response[bytes] | None:
    """What the token's beginning asks for."""
    kind, _, rest = token.partition("-")
    if kind == "unavail" and rest:
        times = re.fullmatch(r".*:([0-9]{1,6})", rest)
        world.failures[token] = world.failures.get(token, 0) + 1
        if times is None or world.failures[token] <= int(times[1]):
            return errors.unavailable()
    build = errors.BY_TOKEN.get(kind)
    return build() if build and rest else None


async def _accept(message: dict[str, Any], validate_only: bool, world: World) -> Response[bytes]:  # noqa: FBT001
    prefix = f"projects/{world.account['project_id']}/messages"
    if validate_only:
        return answer({"name": f"{prefix}/fake_message_id"})
    shown = message.get("notification", {})
    token = message.get("token") or message.get("fid") or message.get("topic") or message["condition"]
    world.ledger.pushes.add(Push(token, shown.get("title", ""), shown.get("body", ""), message.get("data", {}), now()))
    if token.startswith("slow-"):
        seconds = re.fullmatch(r".*:([0-9]{1,3}(?:\.[0-9]{1,3})?)", token)
        await asyncio.sleep(float(seconds[1]) if seconds else world.slow_seconds)
    return answer({"name": f"{prefix}/0:{time.time_ns() // 1000}%{secrets.token_hex(8)}"})
