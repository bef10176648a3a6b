"""Requests that may be sent again: with the same `Idempotency-Key` a client gets the same answer, and nothing twice.

A handler takes keys if its `opt` says so. The answer is stored in the transaction that did the work, so that there is
either both or neither; where a handler owns its transactions (holds, calls of providers) it is stored after them, and
what they did is safe to repeat. That a request is still running is seen by a lock that is tried, never waited for.
"""

import asyncio
import hashlib
from typing import Any

import asyncpg
import msgspec
from litestar.connection import ASGIConnection, Request
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlalchemy import BigInteger, LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from app.db.failures import app_error_of, constraint_of
from app.db.line import Line
from app.db.transaction import answer_late, request_session, roll_back
from app.errors import AppError, Conflict, Invalid

# In a handler's `opt`: its calls may bear a key.
KEYED = "keyed"
HEADER = b"idempotency-key"
REPLAYED = "Idempotent-Replayed"
KEY_LENGTH = 255
BAD_KEY = "Idempotency-Key has to be 1 to 255 visible ASCII characters."
SECONDS = 2.0
# What a replay repeats beside the body. All else (request id, rates) belongs to the call.
_KEPT = frozenset({b"content-type", b"etag", b"location"})
_TICKET = "relampago_idempotency"
_LOCK = "SELECT pg_try_advisory_lock($1) AS mine"
_UNLOCK = "SELECT pg_advisory_unlock($1)"
_FIND = "SELECT fingerprint, status, headers, body FROM idempotency_key WHERE digest = $1"
_STORE = text("""
    INSERT INTO idempotency_key (digest, fingerprint, user_id, status, headers, body)
    VALUES (:digest, :fingerprint, :user_id, :status, :headers, :body)
""").bindparams(
    bindparam("digest", type_=LargeBinary),
    bindparam("fingerprint", type_=LargeBinary),
    bindparam("user_id", type_=BigInteger),
    bindparam("headers", type_=JSONB),
    bindparam("body", type_=LargeBinary),
)
KEPT_HOURS = 72
FORGET = text("DELETE FROM idempotency_key WHERE created_at < now() - make_interval(hours => :hours)").bindparams(
    hours=KEPT_HOURS
)

Connection = ASGIConnection[Any, Any, Any, Any]


class StillRunning(Conflict):
    """A request with this Idempotency-Key is still running."""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class OtherRequest(AppError):
    """This Idempotency-Key was used for another request."""

    status = 422
    code = "idempotency_key_reused"


class Replayed(Exception):
    """Not an error: the answer that this key was given. Raised, so that nothing more is done for it."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.body = status, body
        self.headers = headers | {REPLAYED: "true"}
        super().__init__(status)


class Ticket(msgspec.Struct, frozen=True):
    """A request that runs under a key."""

    digest: bytes
    fingerprint: bytes
    # Who asks; None is a visitor.
    user_id: int | None

    @property
    def lock(self) -> int:
        return int.from_bytes(self.digest[:8], "big", signed=True)


def key_of(scope: Scope) -> str | None:
    """The request's key. Raises Invalid for one that is too long, empty, not plain, or there twice."""
    found = [value for name, value in scope["headers"] if name == HEADER]
    if not found:
        return None
    key = found[0]
    if len(found) > 1 or not 1 <= len(key) <= KEY_LENGTH or not all(0x21 <= byte <= 0x7E for byte in key):
        raise Invalid(BAD_KEY)
    return key.decode("ascii")


def ticket_of(connection: Connection) -> Ticket | None:
    """Under which key the request runs; None without one."""
    found: Ticket | None = connection.scope["state"].get(_TICKET)
    return found


def takes_key(connection: Connection, handler: BaseRouteHandler) -> bool:
    """Whether a request bears a key that its handler heeds."""
    return bool(handler.opt.get(KEYED)) and any(name == HEADER for name, _ in connection.scope["headers"])


class KeyedRequests:
    """The keys of one process. Its locks are those of one database connection, which is opened when the first comes."""

    def __init__(self, dsn: str) -> None:
        self._line = Line(dsn, name="relampago-keys", seconds=SECONDS)
        self._turn = asyncio.Lock()
        self._running: set[int] = set()

    async def begin(self, request: Request[Any, Any, Any], handler: Any, user_id: int | None) -> None:
        """Let the request run, alone under its key. Raises Replayed, StillRunning, OtherRequest, Invalid."""
        key = key_of(request.scope)
        if key is None:
            return
        place = [str(handler.operation_id), *(f"{n}={v}" for n, v in sorted(request.path_params.items()))]
        caller = "nobody" if user_id is None else f"user {user_id}"
        digest = hashlib.sha256("\0".join((caller, request.method, *place, key)).encode()).digest()
        asked = await request.body() + b"\0" + request.scope.get("query_string", b"")
        ticket = Ticket(digest, hashlib.sha256(asked).digest(), user_id)
        await self._lock(ticket)
        try:
            rows = await self._fetch(_FIND, digest)
        except BaseException:
            await self.end(ticket)
            raise
        if not rows:
            request.scope["state"][_TICKET] = ticket
            return
        await self.end(ticket)
        fingerprint, status, headers, body = rows[0]
        if fingerprint != ticket.fingerprint:
            raise OtherRequest
        raise Replayed(status, msgspec.json.decode(headers, type=dict[str, str]), body)

    async def end(self, ticket: Ticket) -> None:
        """Whatever became of the request, its key is free. A connection that breaks has let go of its locks."""
        try:
            await self._fetch(_UNLOCK, ticket.lock)
        except AppError:
            pass
        finally:
            self._running.discard(ticket.lock)

    async def _lock(self, ticket: Ticket) -> None:
        # One connection may lock the same twice: within the process the set decides.
        if ticket.lock in self._running:
            raise StillRunning
        self._running.add(ticket.lock)
        try:
            (row,) = await self._fetch(_LOCK, ticket.lock)
        except BaseException:
            self._running.discard(ticket.lock)
            raise
        if not row["mine"]:
            self._running.discard(ticket.lock)
            raise StillRunning

    async def _fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        try:
            async with self._turn:
                return await self._line.fetch(statement, *arguments)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise app_error_of(error) or error from error

    async def close(self) -> None:
        await self._line.close()


class IdempotencyMiddleware:
    """Stores the answer of a keyed request before it leaves, and frees the key after it has.

    It stands inside of the transaction's middleware: what is stored here is committed there, with the work.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not any(name == HEADER for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return
        recorder = _Recorder(scope, receive, send)
        try:
            await self.app(scope, receive, recorder)
        finally:
            await recorder.end()


class _Recorder:
    """Holds the answer to a request that runs under a key back until all of it is there; a success is stored.

    Any other answer goes as it comes: it may be a stream that never is all there.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.start: Any = None
        self.body = b""

    async def __call__(self, message: Message) -> None:
        ticket: Ticket | None = self.scope["state"].get(_TICKET)
        if message["type"] == "http.response.start" and ticket is not None:
            self.start, self.body = message, b""
            return
        if self.start is not None and message["type"] == "http.response.body":
            self.body += message["body"]
            if message.get("more_body"):
                return
            start, self.start = self.start, None
            if ticket is not None and start["status"] < 300:
                try:
                    await self._store(ticket, start)
                except Exception as error:  # noqa: BLE001 - whatever it is, the work is not to stand without its key
                    await roll_back(error, self.scope)
                    # The first request's commit came to its end meanwhile: asked again, it is repeated.
                    late = StillRunning() if constraint_of(error) == "pk_idempotency_key" else error
                    await answer_late(late, self.scope, self.receive, self.send)
                    return
            await self.send(start)
            # After the commit and before the answer: whoever asks again at once finds the key free.
            await self.end()
            message["body"] = self.body
        await self.send(message)

    async def end(self) -> None:
        """The key is free, once."""
        ticket: Ticket | None = self.scope["state"].pop(_TICKET, None)
        if ticket is not None:
            keys: KeyedRequests = self.scope["litestar_app"].state.keyed_requests
            await keys.end(ticket)

    async def _store(self, ticket: Ticket, start: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in start["headers"] if name.lower() in _KEPT}
        values: dict[str, Any] = {"digest": ticket.digest, "fingerprint": ticket.fingerprint, "status": start["status"]}
        values |= {"user_id": ticket.user_id, "headers": headers, "body": self.body}
        await request_session(ASGIConnection(self.scope)).execute(_STORE, values)
