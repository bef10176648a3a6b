"""Answers that go on: server-sent events from a source that many share, to as many as listen.

A listener gets the newest frame whenever there is one, so whoever reads slowly skips frames and holds up nobody. The
answer ends with its source, with its client, or with the process.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Protocol

from litestar import Litestar, Request, Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from app.errors import Throttled, Unavailable

# What a client that does not read may hold a frame up for.
SEND_SECONDS = 15.0
RETRY_SECONDS = 10
# Set by the edge for HEAD, which is served as GET: of an answer that goes on the headers are all there is.
HEAD = "relampago.head"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # Proxies that gather answers are told not to.
    (b"x-accel-buffering", b"no"),
]


class Source(Protocol):
    """Frames: the newest, how many there have been, and the next one; None ends the answer."""

    @property
    def frame(self) -> bytes | None: ...
    @property
    def count(self) -> int: ...
    @property
    def next(self) -> "asyncio.Future[None]": ...
    @property
    def ended(self) -> bool: ...


Open = Callable[[], AbstractAsyncContextManager[Source]]


class Places:
    """How many may listen at a time: in all, and from one address."""

    def __init__(self, *, in_all: int, each: int) -> None:
        self._in_all = in_all
        self._each = each
        self._taken: Counter[str] = Counter()

    @asynccontextmanager
    async def around(self, network: str, source: AbstractAsyncContextManager[Source]) -> AsyncIterator[Source]:
        """The source, and a place taken for as long as it is listened to."""
        self._taken[network] += 1
        try:
            async with source as opened:
                yield opened
        finally:
            self._taken[network] -= 1
            if not self._taken[network]:
                del self._taken[network]

    def check(self, network: str) -> None:
        """Raises Throttled, Unavailable."""
        if self._taken[network] >= self._each:
            raise Throttled(RETRY_SECONDS)
        if self._taken.total() >= self._in_all:
            raise Unavailable

    @property
    def taken(self) -> int:
        return self._taken.total()


class EventStream(Response[str]):
    """`open` is an asynchronous context manager around the source; it is entered when the answer begins."""

    def __init__(self, open_source: Open) -> None:
        super().__init__("", media_type="text/event-stream")
        self._open = open_source

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **given: Any) -> ASGIResponse:  # noqa: ARG002 - Litestar's signature
        return _Stream(self._open)


class _Stream(ASGIResponse):
    def __init__(self, open_source: Open) -> None:
        self.status_code, self.background = 200, None
        self._open = open_source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = bool(dict(scope).get(HEAD))
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        if not head:
            gone = asyncio.ensure_future(_left(receive))
            try:
                async with self._open() as source:
                    with suppress(TimeoutError):
                        await _pass_on(source, gone, send)
            finally:
                gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _pass_on(source: Source, gone: "asyncio.Future[None]", send: Send) -> None:
    seen = -1
    while not gone.done():
        coming = source.next
        if source.count != seen and source.frame is not None:
            seen = source.count
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": source.frame, "more_body": True})
            continue
        if source.ended:
            return
        await asyncio.wait({gone, coming}, return_when=asyncio.FIRST_COMPLETED)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
