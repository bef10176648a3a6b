"""Runs the sandbox: an HTTP server whose connections can be dropped, and the mail server beside it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.application import create_app
from sandbox.edge import CONNECTION
from sandbox.mail import MailServer
from sandbox.world import World

# Longer than clients keep idle connections, so that none is closed while a request is on its way.
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 1


class Droppable(HttpToolsProtocol):
    """Leaves the connection where the edge finds it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: {"transport": self.transport}}


class Server(uvicorn.Server):
    """Says when it listens, and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox and the world to look into."""

    url: str
    smtp_port: int
    account_file: Path
    world: World


@asynccontextmanager
async def open_sandbox(
    account_file: Path, *, port: int = 0, smtp_port: int = 0, **options: Any
) -> AsyncIterator[Sandbox]:
    """A sandbox that listens until the block ends, on free ports for 0. `options` are the World's."""
    with _listen(port) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        world = World(account_file, url, **options)
        async with aclosing(world.notifier), _serve(world, listener):
            mail_server = MailServer(world, smtp_port)
            await mail_server.open()
            try:
                yield Sandbox(url, mail_server.port, account_file, world)
            finally:
                await mail_server.close()


@asynccontextmanager
async def _serve(world: World, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        create_app(world),
        http=Droppable,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.listening.wait()
        yield
    finally:
        server.should_exit = True
        await serving


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off for sockets that name their protocol, and with it 40 ms of waiting.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener
