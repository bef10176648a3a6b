"""The faulty proxy fails as it is told to, and not otherwise."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.proxy import Proxy, proxy_to

SOON = 0.3


class Echo:
    """A server that answers each line with the same line, and remembers what it got."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ends = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
                await writer.drain()
        except ConnectionError:
            pass
        self.ends += 1
        writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    async with proxy_to(echo.port) as proxy:
        yield echo, proxy
    server.close()


@asynccontextmanager
async def talking(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield reader, writer
    writer.transport.abort()


async def say(writer: asyncio.StreamWriter, reader: asyncio.StreamReader, line: bytes) -> bytes:
    writer.write(line)
    return await asyncio.wait_for(reader.readline(), 5)


async def test_it_passes_everything_on() -> None:
    async with echoing() as (echo, proxy), talking(proxy) as (reader, writer):
        assert await say(writer, reader, b"one\n") == b"one\n"
        long = b"x" * 50_000 + b"\n"
        writer.write(long)
        assert await asyncio.wait_for(reader.readexactly(len(long)), 5) == long
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert echo.heard == [b"one\n", long]
        assert (proxy.swallowed, proxy.resets, proxy.lost_answers, proxy.cuts) == (0, 0, 0, 0)
    # Its own end is no fault of the wire's.
    assert (proxy.swallowed, proxy.resets, proxy.lost_answers) == (0, 0, 0)


async def test_it_is_late() -> None:
    async with echoing() as (_, proxy), talking(proxy) as (reader, writer):
        proxy.behave(delay=0.1)
        begun = time.monotonic()
        assert await say(writer, reader, b"late\n") == b"late\n"
        assert time.monotonic() - begun >= 0.2


async def test_an_answer_is_lost_and_the_request_is_not() -> None:
    async with echoing() as (echo, proxy), talking(proxy) as (reader, writer):
        proxy.behave(swallow_answers=True)
        writer.write(b"lost\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), SOON)
        assert echo.heard == [b"lost\n"]
        assert (proxy.swallowed, proxy.lost_answers) == (1, 1)
        # The rest of what is lost belongs to the same answer.
        writer.write(b"lost too\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), SOON)
        assert (proxy.swallowed, proxy.lost_answers) == (2, 1)
        # The connection lives: it is heard again as soon as the hole is mended.
        proxy.behave()
        assert await say(writer, reader, b"found\n") == b"found\n"


async def test_a_request_is_lost() -> None:
    async with echoing() as (echo, proxy), talking(proxy) as (reader, writer):
        proxy.behave(swallow_requests=True)
        writer.write(b"lost\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), SOON)
        assert echo.heard == []
        assert (proxy.swallowed, proxy.lost_answers) == (1, 0)


@pytest.mark.parametrize("limit", [0, 3])
async def test_it_resets_within_an_answer(limit: int) -> None:
    async with echoing() as (echo, proxy), talking(proxy) as (reader, writer):
        assert await say(writer, reader, b"whole\n") == b"whole\n"
        proxy.behave(reset_answers_after=limit)
        writer.write(b"broken\n")
        assert await asyncio.wait_for(reader.readexactly(limit), 5) == b"broken\n"[:limit]
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        assert echo.heard == [b"whole\n", b"broken\n"]
        assert (proxy.resets, proxy.lost_answers) == (1, 1)


async def test_it_counts_to_the_byte() -> None:
    async with echoing() as (echo, proxy), talking(proxy) as (reader, writer):
        proxy.behave(reset_requests_after=8)
        assert await say(writer, reader, b"four\n") == b"four\n"
        writer.write(b"more\n")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        assert echo.heard == [b"four\n"]
        assert (proxy.resets, proxy.lost_answers) == (1, 0)


async def test_it_cuts_what_is_open_and_takes_what_comes() -> None:
    async with echoing() as (echo, proxy), talking(proxy) as (reader, writer):
        assert await say(writer, reader, b"one\n") == b"one\n"
        assert proxy.cut() == 1
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        async with talking(proxy) as (again, writes):
            assert await say(writes, again, b"two\n") == b"two\n"
        assert (proxy.cuts, proxy.resets, proxy.lost_answers) == (1, 0, 0)
    assert echo.heard == [b"one\n", b"two\n"]


async def test_it_refuses() -> None:
    async with echoing() as (echo, proxy):
        proxy.behave(refuse=True)
        async with talking(proxy) as (reader, writer):
            writer.write(b"nobody\n")
            try:
                assert await asyncio.wait_for(reader.read(), 5) == b""
            except ConnectionError:
                assert not proxy.links
    assert echo.heard == []


async def test_a_server_that_is_not_there() -> None:
    async with echoing() as (echo, _):
        port = echo.port
    async with proxy_to(port) as proxy, talking(proxy) as (reader, _):
        try:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        except ConnectionResetError:
            assert not proxy.links
