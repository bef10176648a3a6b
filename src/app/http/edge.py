"""The outermost layer: what holds for every answer, unknown paths and crashes included.

Request ids, security headers, HEAD, OPTIONS metadata, one access log line a request, and the last answer when all else
failed. Litestar's middleware does not see unknown paths; this does.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from litestar.config.cors import CORSConfig
from litestar.types import Receive, Scope, Send

from app.http.admission import Admission, Full, Lane, Sizes, Turn
from app.http.cors import named_origins
from app.http.exchange import Exchange
from app.http.leaving import Leaving
from app.http.shedding import FULL, LATER, Shedding
from app.http.streams import HEAD

log = structlog.get_logger("app.access")

_CRASH = b'{"detail":"A server error occurred."}'
# Where a path with an odd number leads: to the application's own answer for what does not exist.
_NOWHERE = "/nowhere"
_INT8_DIGITS = 18

Inner = Callable[[Scope, Receive, Send], Awaitable[None]]


def has_odd_number(path: str) -> bool:
    """Whether a segment would be read as a number that no id is: `1_0`, `+5`, `5 `, other digits, beyond 64 bits."""
    for segment in path.split("/"):
        if not segment or not (segment[-1].isdigit() or segment[-1].isspace()):
            continue
        if segment.isascii() and segment.isdigit() and len(segment) <= _INT8_DIGITS:
            continue
        try:
            int(segment)
        except ValueError:
            if segment.isdigit():
                return True
            continue
        return True
    return False


class Edge:
    """Wraps the application; one instance serves all requests."""

    def __init__(
        self,
        inner: Inner,
        *,
        production: bool,
        leaving: Leaving | None = None,
        cors: CORSConfig | None = None,
        sizes: Sizes | None = None,
    ) -> None:
        self.inner, self.cors = inner, cors
        self.production = production
        self.admission = Admission(sizes)
        self.leaving = leaving or Leaving()
        self.shedding = Shedding(self.admission, self.leaving, cors, production=production)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, send, production=self.production, last=self.leaving.begun)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        if exchange.head:
            # The server's own scope stays: it has to know that no body follows.
            scope = {**scope, "method": "GET", HEAD: True}
        try:
            if has_odd_number(scope["path"]):
                scope = {**scope, "path": _NOWHERE}
            lane = self.admission.lane_of(scope)
            if lane is None:
                await self.inner(scope, receive, exchange.send)
            else:
                await self._in_turn(lane, scope, receive, exchange)
        except Exception:
            log.exception("crash", path=exchange.path)
            if exchange.status:
                raise
            await exchange.answer(500, _CRASH, *named_origins(scope, self.cors))
        finally:
            exchange.log()
            exchange.count(scope.get("path_template", ""))

    async def _in_turn(self, lane: Lane, scope: Any, receive: Receive, exchange: Exchange) -> None:
        try:
            await lane.enter()
        except Full:
            await exchange.answer(503, FULL, LATER, *named_origins(scope, self.cors))
            return
        turn = Turn(lane, receive, exchange.send)
        try:
            await self.inner(scope, turn.receive, turn.send)
        finally:
            lane.leave()
