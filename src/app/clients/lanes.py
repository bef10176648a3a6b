"""Many requests at a time to one host, without the price that one large connection pool has."""

import asyncio

import httpx

from app.clients.trust import trusted


class Lanes(httpx.AsyncBaseTransport):
    """Connections side by side, each in a pool of its own; the one that was used last is used first, and another one is
    made when none is free.

    httpcore walks over all connections of a pool for each of them at every request: with a hundred that is
    milliseconds, here it is nothing. Answers are read to their end before they are handed over. Proxies are not used.
    """

    def __init__(self, count: int, *, idle_seconds: float) -> None:
        self._limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=idle_seconds)
        self._lanes: list[httpx.AsyncHTTPTransport] = []
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._room = asyncio.Semaphore(count)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._room:
            lane = self._free.pop() if self._free else self._new()
            try:
                answer = await lane.handle_async_request(request)
                content = await _read(answer)
            finally:
                self._free.append(lane)
        return httpx.Response(answer.status_code, headers=answer.headers, content=content, extensions=answer.extensions)

    def _new(self) -> httpx.AsyncHTTPTransport:
        lane = httpx.AsyncHTTPTransport(verify=trusted(), limits=self._limits)
        self._lanes.append(lane)
        return lane

    async def aclose(self) -> None:
        for lane in self._lanes:
            await lane.aclose()


async def _read(answer: httpx.Response) -> bytes:
    """The body as it came over the wire; the connection is free afterwards, whatever happened."""
    if not isinstance(answer.stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous transport streams asynchronously")
    try:
        return b"".join([part async for part in answer.stream])
    finally:
        await answer.aclose()
