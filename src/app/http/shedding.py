"""Refusals that cost next to nothing: what looks at something, while a process has no time for it.

With several times the load that it can bear a process would otherwise spend more on saying no than on its work. These
answers are made from a request's head alone, by the server's connection, before anything of the application is begun.
They are the answers that the edge would give (edge.py), logged and counted like them.
"""

from functools import cached_property
from typing import Any

import msgspec
from litestar.config.cors import CORSConfig

from app.http.admission import RETRY_SECONDS, Admission, Full
from app.http.cors import named_origins
from app.http.exchange import Exchange
from app.http.leaving import Leaving

FULL = msgspec.json.encode(Full().body())
LATER = (b"retry-after", str(RETRY_SECONDS).encode())
_HEAD = (
    (b"content-type", b"application/json"),
    (b"content-length", str(len(FULL)).encode()),
    LATER,
)
# A request with one of these is more than its head.
_MORE = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
# A request with one of these is answered with other headers.
_DRESSED = frozenset({b"origin", b"authorization"})


class Shedding:
    """What a connection asks before it hands a request on."""

    def __init__(self, admission: Admission, leaving: Leaving, cors: CORSConfig | None, *, production: bool) -> None:
        self.admission, self.leaving, self.cors = admission, leaving, cors
        self.production = production

    def refusal(self, method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]) -> bytes | None:
        """All of an answer below its status line and date; None for a request that has to be looked at."""
        views = self.admission.views
        if method != b"GET" or self.leaving.begun or not views.turns_away():
            return None
        path, _, query = url.partition(b"?")
        if not path.startswith(b"/") or b"%" in path or b"#" in url or not url.isascii():
            return None
        names = {name for name, _ in headers}
        if not _MORE.isdisjoint(names):
            return None
        scope: Any = {"method": "GET", "path": path.decode("ascii"), "query_string": query, "headers": headers}
        if self.admission.lane_of(scope) is not views:
            return None
        exchange = Exchange(scope, _unsent, production=self.production)
        exchange.status = 503
        exchange.log()
        exchange.count("")
        if not _DRESSED.isdisjoint(names):
            return self._answer(exchange)
        # Such answers differ in nothing but this.
        return self._usual + b"x-request-id: " + exchange.request_id.encode("latin-1") + b"\r\n\r\n" + FULL

    def _answer(self, exchange: Exchange) -> bytes:
        headers = exchange.dressed((*_HEAD, *named_origins(exchange.scope, self.cors)))
        return b"".join([*(name + b": " + value + b"\r\n" for name, value in headers), b"\r\n", FULL])

    @cached_property
    def _usual(self) -> bytes:
        """The headers of an answer to a request that says nothing about itself."""
        scope: Any = {"method": "GET", "path": "/", "headers": []}
        answer = self._answer(Exchange(scope, _unsent, production=self.production))
        lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
        return b"".join(line + b"\r\n" for line in lines if not line.startswith(b"x-request-id:"))


async def _unsent(_message: Any) -> None:
    """What is made here is written by who asked for it."""
