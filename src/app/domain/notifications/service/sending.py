"""How pushes get to their devices: claim a piece, commit, send it, write what became of each.

A push leaves in no transaction, and at most once: whoever claimed it sends it; a sender that ends between sending and
recording leaves a push of which nobody knows, and which nobody repeats.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.errors import (
    BadRequestError,
    NotPermitted,
    ProviderError,
    Throttled,
    TokenRejected,
    Unavailable,
)
from app.clients.fcm import FcmClient, Push, SendResult
from app.db.failures import app_error_of
from app.domain.devices.service.devices import DeviceService
from app.domain.notifications.queries import sending as queries
from app.domain.notifications.rules import FIRST_PAUSE_SECONDS, State, retry_pause, ttl_seconds
from app.errors import Unavailable as DatabaseAway
from app.settings import Settings

# What is claimed is sent at once: two pieces fill the client's hundred connections, nothing claimed waits for one.
PIECE, PIECES_AT_ONCE = 50, 2
# Longer than any send can take; a claimed push without a result after that has lost its sender.
LEASE_SECONDS = 180.0
DELIVER_SECONDS = 120.0
RECORD_PAUSE_SECONDS = 0.5
CLOSE_SECONDS = 5.0
ERROR_LENGTH = 500
# Nothing was sent, and time or a person may mend it.
_PASSING = (Unavailable, NotPermitted)

log = structlog.get_logger("app.notifications")
_chance = secrets.SystemRandom()
Sessions = async_sessionmaker[AsyncSession]


class Scope(msgspec.Struct, frozen=True):
    """Which waiting pushes to deliver: a promotion's (by the ids of its day rows), named ones, or whatever is due."""

    promo: int | None = None
    first: int = 0
    last: int = 0
    ids: Sequence[int] | None = None

    @property
    def claim(self) -> tuple[Any, dict[str, Any]]:
        if self.promo is not None:
            return queries.CLAIM_BATCH, {"promo": self.promo, "first": self.first, "last": self.last}
        if self.ids is not None:
            return queries.CLAIM_THESE, {"ids": list(self.ids)}
        return queries.CLAIM_DUE, {}


class Claimed(msgspec.Struct, frozen=True):
    """A push that is ours to send; `token` is None for one that may not be sent."""

    id: int
    attempt: int
    token: str | None
    push: Push


class Result(msgspec.Struct, frozen=True):
    """What became of a push; `waiting` for `pause` seconds when nothing was sent and it may be tried again.

    `rejected` is a token that the push service does not know.
    """

    id: int
    attempt: int
    state: State
    message_id: str = ""
    error: str = ""
    pause: float = 0.0
    rejected: str = ""


class PushSender:
    """One for each process, which shares its connections to the push service and its patience with it."""

    def __init__(self, fcm: FcmClient) -> None:
        self.fcm = fcm
        self._room = asyncio.Semaphore(PIECES_AT_ONCE)
        self._closed_until = 0.0
        self._writing: set[asyncio.Task[Any]] = set()

    async def aclose(self) -> None:
        """Wait for the results that are being written, though not for a database that is gone."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=CLOSE_SECONDS)
        await self.fcm.aclose()

    async def deliver(self, sessions: Sessions, scope: Scope, *, seconds: float = DELIVER_SECONDS) -> Counter[State]:
        """Send what is due in the scope, piece by piece, for so long; how many ended in which state.

        It stops early when the push service is down or asks for patience: what is left is due later.
        """
        done: Counter[State] = Counter()
        until = time.monotonic() + seconds
        while until > time.monotonic() >= self._closed_until:
            async with self._room:
                claimed = await self._claim(sessions, scope)
                if not claimed:
                    break
                done += await self._send(sessions, [one for one in claimed if one.token is not None])
                done["failed"] += sum(one.token is None for one in claimed)
        return done

    async def _claim(self, sessions: Sessions, scope: Scope) -> list[Claimed]:
        """The next piece; it is ours once this has returned."""
        statement, values = scope.claim
        claimed: list[Claimed] = []
        try:
            async with sessions() as session, session.begin():
                rows = await session.execute(statement, {**values, "size": PIECE, "lease": LEASE_SECONDS})
                claimed = _claimed(rows)
        except BaseException:
            # Perhaps the commit was done and its answer lost: nothing was sent, so all of it may go back.
            self._write(sessions, [Result(one.id, one.attempt, "waiting") for one in claimed if one.token])
            raise
        return claimed

    async def _send(self, sessions: Sessions, claimed: Sequence[Claimed]) -> Counter[State]:
        """All at once, and their results in one transaction, also when this run is cut off."""
        if not claimed:
            return Counter()
        sends = [asyncio.create_task(self.fcm.send(one.push, one.token or "")) for one in claimed]
        try:
            await asyncio.wait(sends)
        finally:
            results = [_result(one, send) for one, send in zip(claimed, sends, strict=True)]
            writing = self._write(sessions, results)
        self._consider(sends)
        return await asyncio.shield(writing)

    def _write(self, sessions: Sessions, results: Sequence[Result]) -> "asyncio.Task[Counter[State]]":
        """What is known gets written, whatever becomes of the run that learnt it."""
        task = asyncio.create_task(_record_at_last(sessions, results))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    def _consider(self, sends: Sequence["asyncio.Task[Any]"]) -> None:
        """Whether to leave the push service alone for a while, and for how long."""
        errors = [send.exception() for send in sends]
        throttled = [error.retry_after for error in errors if isinstance(error, Throttled)]
        if throttled:
            self._closed_until = time.monotonic() + max(throttled)
        elif all(isinstance(error, _PASSING) for error in errors):
            self._closed_until = time.monotonic() + FIRST_PAUSE_SECONDS


@asynccontextmanager
async def open_sender(settings: Settings) -> AsyncIterator[PushSender]:
    """A process's sender. Nothing connects before the first push."""
    sender = PushSender(FcmClient.from_settings(settings))
    try:
        yield sender
    finally:
        await sender.aclose()


def _claimed(rows: Iterable[Any]) -> list[Claimed]:
    pushes: dict[tuple[Any, ...], Push] = {}
    claimed = []
    for row in rows:
        # Devices of one promotion get one and the same push, which is encoded once.
        words = (row.collapse_id, row.title, row.body, row.expires_at)
        if words not in pushes:
            pushes[words] = _push(row)
        claimed.append(Claimed(row.id, row.attempts, row.token, pushes[words]))
    return claimed


def _push(row: Any) -> Push:
    return Push(
        title=row.title,
        body=row.body,
        collapse_id=row.collapse_id,
        data=row.data,
        ttl_seconds=ttl_seconds(row.expires_at, row.at),
    )


def _result(one: Claimed, send: "asyncio.Task[SendResult]") -> Result:
    if not send.done() or send.cancelled():
        send.cancel()
        return Result(one.id, one.attempt, "unknown", error="Its sender was cut off before the answer came.")
    error = send.exception()
    if error is None:
        return Result(one.id, one.attempt, "sent", message_id=send.result().message_id)
    if not isinstance(error, ProviderError):
        log.error("push_failed", push=one.id, exc_info=error)
        return Result(one.id, one.attempt, "unknown", error=type(error).__name__)
    reason = (f"{error.code}: {error.message}" if error.code else error.message)[:ERROR_LENGTH]
    if isinstance(error, _PASSING):
        wait = error.retry_after if isinstance(error, Unavailable) else FIRST_PAUSE_SECONDS
        return Result(
            one.id, one.attempt, "waiting", error=reason, pause=retry_pause(one.attempt, wait, _chance.random())
        )
    if isinstance(error, TokenRejected):
        return Result(one.id, one.attempt, "failed", error=reason, rejected=one.token or "")
    if isinstance(error, BadRequestError):
        log.error("push_refused", push=one.id, reason=reason)
    return Result(one.id, one.attempt, "unknown" if error.outcome_unknown else "failed", error=reason)


async def _record_at_last(sessions: Sessions, results: Sequence[Result]) -> Counter[State]:
    """Written again and again until the database takes it, as long as nobody takes the sender for dead."""
    until = time.monotonic() + LEASE_SECONDS
    while True:
        try:
            return await _record(sessions, results)
        except Exception as error:
            if time.monotonic() > until or not isinstance(app_error_of(error), DatabaseAway):
                raise
        await asyncio.sleep(RECORD_PAUSE_SECONDS)


async def _record(sessions: Sessions, results: Sequence[Result]) -> Counter[State]:
    """Write what became of the pushes; devices whose token was rejected get no more."""
    if not results:
        return Counter()
    values = {
        "ids": [one.id for one in results],
        "attempts": [one.attempt for one in results],
        "states": [one.state for one in results],
        "message_ids": [one.message_id for one in results],
        "errors": [one.error for one in results],
        "pauses": [one.pause for one in results],
    }
    async with sessions() as session, session.begin():
        if rejected := [one.rejected for one in results if one.rejected]:
            await DeviceService(session).reject(rejected)
        return Counter((await session.execute(queries.RECORD, values)).scalars())
