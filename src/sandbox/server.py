"""Runs the sandbox: an HTTP server whose connections can be dropped, and the mail server beside it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


class Sandbox:
    """A running sandbox: `url`, the mail server's `smtp_port`, and the `world` to look into."""

    def __init__(self, world: World, listener: socket.socket, mail_server: MailServer) -> None:
        self.world = world
        self.url = world.base_url
        self._listener = listener
        self._mail_server = mail_server
        config = uvicorn.Config(
            create_app(world),
            http=Droppable,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self.server = uvicorn.Server(config)

    @property
    def smtp_port(self) -> int:
        return self._mail_server.port

    async def serve(self) -> None:
        """Until `server.should_exit`, or a signal to stop."""
        await self.server.serve(sockets=[self._listener])


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off for sockets that name their protocol, and with it 40 ms of waiting.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


@asynccontextmanager
async def open_sandbox(
    account_file: Path, *, port: int = 0, smtp_port: int = 0, **options: Any
) -> AsyncIterator[Sandbox]:
    """A sandbox that has its ports, the ones that are free for 0. `options` are the World's."""
    with _listen(port) as listener:
        world = World(account_file, f"http://127.0.0.1:{listener.getsockname()[1]}", **options)
        mail_server = MailServer(world, smtp_port)
        await mail_server.open()
        try:
            yield Sandbox(world, listener, mail_server)
        finally:
            await mail_server.close()
