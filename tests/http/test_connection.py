"""What a connection does with requests that follow one another, over a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from app.http.connection import Connection

GET = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"
NO_REQUEST = b"\0\1\r\n\r\n"


class Streaming:
    """An application whose answer goes on until its client has gone away."""

    def __init__(self) -> None:
        self.begun = 0
        self.gone = asyncio.Event()

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"last"})
        self.gone.set()


@asynccontextmanager
async def connected(app: Streaming) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of an application."""
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(config, ServerState(), {}), "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        yield await asyncio.open_connection(*server.sockets[0].getsockname())


async def test_nothing_is_written_into_an_answer_that_has_begun() -> None:
    """Neither a refusal of what follows it nor an answer to who waits behind it; who answers learns of the end."""
    app = Streaming()
    async with connected(app) as (reader, writer):
        writer.write(GET)
        heard = await reader.readuntil(b"first\r\n")
        writer.write(GET + NO_REQUEST)
        heard += await reader.read()
        await app.gone.wait()
        writer.close()
        await writer.wait_closed()
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heard.count(b"HTTP/1.1") == 1
    assert b"last" not in heard
    assert app.begun == 1


async def test_who_answers_learns_that_its_client_has_left_others_behind_it() -> None:
    app = Streaming()
    async with connected(app) as (reader, writer):
        writer.write(GET + GET)
        await reader.readuntil(b"first\r\n")
        writer.transport.abort()
        await app.gone.wait()
    assert app.begun == 1
