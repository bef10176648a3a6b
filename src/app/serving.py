"""The API's server, as it is deployed: `python -m app.serving --host 127.0.0.1 --port 8000 --workers 2`."""

import argparse
import os
import socket
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.http.connection import Connection

# With the moment for which a process that is told to stop goes on answering: ten seconds in all.
GRACE_SECONDS = 7
KEEP_ALIVE_SECONDS = 75
# A listener of uvloop's (libuv from 1.45 on) takes one new connection in each turn of the loop. While a process is busy
# its turns are long, and who has just come would wait for seconds to be taken in, and longer than who came after them.
LISTENERS = 16
NOT_STARTED = 3


def options(**changed: Any) -> dict[str, Any]:
    """Uvicorn's options for our application. What is not here is uvicorn's own choice."""
    return {
        "app": os.environ.get("LITESTAR_APP", "app.server:create_app"),
        "factory": True,
        "http": Connection,
        "ws": "none",
        # By itself uvicorn believes what a client on this machine says about its address; TRUSTED_PROXIES decides.
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        # Longer than proxies keep theirs: who closes first must not be whom the next request is on its way to.
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        **changed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.serving", description="Serve the API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    serve(uvicorn.Config(**options(host=asked.host, port=asked.port, workers=asked.workers)))


def serve(config: uvicorn.Config) -> None:
    """Serves until it is told to stop. Exits with 3 when the application does not start."""
    if config.workers > 1:
        Multiprocess(config, sockets=listeners(config.bind_socket())).run()
        return
    config.load_app()
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run(listeners(config.bind_socket()))
    if not server.started:
        sys.exit(NOT_STARTED)


def listeners(bound: socket.socket) -> list[socket.socket]:
    """So many on one port and one queue of those who come."""
    return [bound, *(bound.dup() for _ in range(LISTENERS - 1))]


if __name__ == "__main__":
    main()
