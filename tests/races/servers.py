"""Two real API processes on one database: what one of them keeps in its memory, the other does not know."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from app.clients.trust import trusted
from tests.conftest import UNTHROTTLED
from tests.contract.checking import COUNTED

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
# Every buyer of a race has a connection of its own, since a queue in the client would be a race less; in several
# clients, since one looks through all its connections at each request.
CLIENTS = 6
CONNECTIONS = httpx.Limits(max_connections=40, max_keepalive_connections=40)
TIMEOUT = httpx.Timeout(30)


def environment(database_url: str, secret: str, folder: Path) -> dict[str, str]:
    """What an API process is started with; settings of the shell that runs the tests are kept out."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {
        **kept,
        "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        "DATABASE_URL": database_url,
        "SECRET_KEY": secret,
        "LOG_LEVEL": "warning",
        "HOLD_SECONDS": "60",
        "MEDIA_ROOT": str(folder / "media"),
        **UNTHROTTLED,
    }


@asynccontextmanager
async def api_process(environ: Mapping[str, str], log: Path) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A started process, as clients of it; stopped as a supervisor stops it."""
    async with mortal_process(environ, log) as (_, clients):
        yield clients


@asynccontextmanager
async def mortal_process(
    environ: Mapping[str, str], log: Path
) -> AsyncIterator[tuple[Process, list[httpx.AsyncClient]]]:
    """The same with the process itself, for whoever wants to kill it."""
    with socket.socket() as listener, log.open("wb") as output:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.races.api_process",
            str(listener.fileno()),
            cwd=log.parent,
            env=dict(environ),
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
        )
        address = "http://{}:{}".format(*listener.getsockname())
        clients = [
            httpx.AsyncClient(
                verify=trusted(), base_url=address, limits=CONNECTIONS, timeout=TIMEOUT, event_hooks=COUNTED
            )
            for _ in range(CLIENTS)
        ]
        try:
            await _until_ready(clients[0], process, log)
            yield process, clients
        finally:
            for client in clients:
                await client.aclose()
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await process.wait()


async def _until_ready(client: httpx.AsyncClient, process: Process, log: Path) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while process.returncode is None:
            # The socket listens before the application does: the answer comes when there is somebody to give it.
            answer = await client.get("/readyz")
            if answer.status_code == 200:
                return
            await asyncio.sleep(0.05)
    raise RuntimeError(f"an API process ended at its start:\n{log.read_text(encoding='utf-8')}")


@asynccontextmanager
async def api_processes(environ: Mapping[str, str], logs: Sequence[Path]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A process for each log; their clients in an order that goes from process to process."""
    async with AsyncExitStack() as stack:
        starts = [asyncio.create_task(stack.enter_async_context(api_process(environ, log))) for log in logs]
        by_process = await asyncio.gather(*starts)
        yield [client for turn in zip(*by_process, strict=True) for client in turn]
