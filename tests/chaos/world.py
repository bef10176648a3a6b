"""The whole shop as real processes: PostgreSQL, two API processes, two workers, the sandbox. Any of them may be hit.

Each listens on the same port whenever it comes back. Where a suite wants faulty wires, they lie between the programs:
`world.wires` are proxies, by the name of the hop.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from app.clients.trust import trusted
from app.jobs.service import HEARTBEAT_SECONDS
from tests.chaos import programs
from tests.chaos.client import LIMITS, Client
from tests.chaos.cluster import OwnCluster
from tests.chaos.journal import Journal
from tests.chaos.ports import free_port
from tests.chaos.programs import ROOT, Program
from tests.chaos.proxy import Proxy
from tests.conftest import SECRET, UNTHROTTLED
from tests.races.arena import Arena

PATIENCE_SECONDS = 60.0
# Longer than any suite holds something on purpose; those whose end is looked at are ended.
HOLD_SECONDS = 120
LOOK_SECONDS = 0.05
SQL_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
# What an API process says of itself to the database; the queue's and the worker's names are others.
APP_CONNECTIONS = "application_name LIKE 'relampago%'"


class World:
    """Everything runs when it is given out. `seed` is printed by whoever uses chance."""

    def __init__(self, folder: Path, *, quick: bool, options: tuple[str, ...] = ()) -> None:
        """In a quick one workers beat every second, and who has been silent for some is soon taken for dead.

        Its shoppers think for longer before what they do next: while something comes back they would only hinder it.
        `options` are further settings of the database's.
        """
        self.folder = folder
        self.quick = quick
        # The newest order when all was settled last.
        self.settled_order = 0
        self.heartbeat_seconds = 1 if quick else HEARTBEAT_SECONDS
        self.thought_seconds = 0.2 if quick else 0.02
        self.cluster = OwnCluster(options)
        self.api_ports = [free_port(), free_port()]
        self.sandbox_port, self.smtp_port = free_port(), free_port()
        # Between the application and PostgreSQL, between it and MercadoPago: straight through unless a suite says so.
        self.database_wire = Proxy(0)
        self.provider_wire = Proxy(self.sandbox_port)
        self.journal = Journal(folder / "journal.jsonl")
        self.apis: list[Program] = []
        self.workers: list[Program] = []
        self.sandbox: Program
        self.arena: Arena
        self._engine: AsyncEngine
        self._clients: list[Client] = []

    @property
    def doors(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.api_ports]

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def programs(self) -> list[Program]:
        return [*self.apis, *self.workers, self.sandbox]

    def client(self, *, doors: list[str] | None = None, tries: int = 40) -> Client:
        """A client of both API processes, closed with the world."""
        made = Client(doors or self.doors, self.journal, tries=tries)
        self._clients.append(made)
        return made

    def environ(self, **extra: str) -> dict[str, str]:
        """What every program is started with; the settings of the shell that runs the tests are kept out."""
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
        wired = self.cluster.url.replace(f":{self.cluster.port}/", f":{self.database_wire.port}/")
        account = f"var/sandbox/service-account-{self.sandbox_port}.json"
        return {
            **kept,
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "PYTHONUNBUFFERED": "1",
            "LITESTAR_APP": "app.server:create_app",
            "DATABASE_URL": wired,
            "SECRET_KEY": SECRET,
            "LOG_LEVEL": "warning",
            "HOLD_SECONDS": str(HOLD_SECONDS),
            "CHAOS_HEARTBEAT_SECONDS": str(self.heartbeat_seconds),
            "MEDIA_ROOT": str(self.folder / "media"),
            "PUBLIC_URL": self.doors[0],
            "SANDBOX_PORT": str(self.sandbox_port),
            "SMTP_PORT": str(self.smtp_port),
            "MERCADOPAGO_BASE_URL": f"http://127.0.0.1:{self.provider_wire.port}/mercadopago",
            "GOOGLE_SERVICE_ACCOUNT_FILE": str(ROOT / account),
            **UNTHROTTLED,
            **extra,
        }

    async def open(self, stack: AsyncExitStack) -> None:
        """Make and start everything, and furnish the shop."""
        stack.callback(self.cluster.remove)
        await asyncio.to_thread(self.cluster.make)
        self.database_wire.target = self.cluster.port
        for wire in (self.database_wire, self.provider_wire):
            await wire.open()
            stack.push_async_callback(wire.close)
        environ = self.environ()
        self.sandbox = programs.sandbox(self.sandbox_port, self.smtp_port, environ, self.folder)
        self.apis = [programs.api(n, port, environ, self.folder) for n, port in enumerate(self.api_ports, 1)]
        self.workers = [programs.worker(n, environ | {"LOG_LEVEL": "info"}, self.folder) for n in (1, 2)]
        await asyncio.to_thread(self._migrate)
        await self.enlarge(stack)
        # Stopped before what they stand on: a commit that waits for a replica which is gone waits for a minute.
        stack.push_async_callback(self._stop)
        for program in (self.sandbox, *self.apis, *self.workers):
            await program.start()
        await self.ready()
        pool = await stack.enter_async_context(
            asyncpg.create_pool(self.cluster.url, min_size=1, max_size=8, server_settings={"application_name": "arena"})
        )
        await self._furnish(pool, stack)

    async def _furnish(self, pool: asyncpg.Pool, stack: AsyncExitStack) -> None:
        address = self.cluster.url.replace("postgresql://", "postgresql+asyncpg://", 1)
        self._engine = create_async_engine(address, pool_size=4, pool_pre_ping=True)
        stack.push_async_callback(self._engine.dispose)
        doors = [httpx.AsyncClient(verify=trusted(), base_url=door, timeout=30, limits=LIMITS) for door in self.doors]
        for door in doors:
            stack.push_async_callback(door.aclose)
        self.arena = Arena(doors, pool, async_sessionmaker(self._engine, expire_on_commit=False), SECRET)
        await self.arena.furnish()
        await self.sql("CREATE TABLE chaos_mark (id bigserial, label text NOT NULL)")

    async def enlarge(self, stack: AsyncExitStack) -> None:
        """What a larger world has beside; called before the programs start."""

    def _migrate(self) -> None:
        environ = self.environ(DATABASE_URL=self.cluster.url, DATABASE_ADMIN_URL=self.cluster.url)
        command = [sys.executable, "-m", "app", "database", "upgrade", "--no-prompt"]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"migrations failed:\n{done.stdout}\n{done.stderr}")

    async def _stop(self) -> None:
        for client in self._clients:
            await client.close()
        for program in self.programs:
            program.thaw()
        for program in reversed(self.programs):
            with suppress(TimeoutError):
                await program.stop()
        (ROOT / "var" / "sandbox" / f"service-account-{self.sandbox_port}.json").unlink(missing_ok=True)
        self.journal.close()

    # What runs, and whether it is well.

    async def ready(self) -> None:
        """Until every program answers. Raises AssertionError with what the one that does not has said."""
        for number in range(len(self.apis)):
            await self.api_ready(number)
        await self.until(self._sandbox_answers, "the sandbox answers")
        await self.until(self._workers_live, "both workers have a heartbeat")

    async def api_ready(self, number: int) -> None:
        async with httpx.AsyncClient(verify=trusted(), base_url=self.doors[number], timeout=5) as http:

            async def answers() -> bool:
                if not self.apis[number].runs:
                    raise AssertionError(f"{self.apis[number].name} ended:\n{self.apis[number].said()[-4000:]}")
                with suppress(httpx.TransportError):
                    return (await http.get("/readyz")).status_code == 200
                return False

            await self.until(answers, f"{self.apis[number].name} is ready")

    async def _sandbox_answers(self) -> bool:
        with suppress(httpx.TransportError):
            return isinstance(await self.told("/__emu__/faults"), list)
        return False

    async def _workers_live(self) -> bool:
        with suppress(*SQL_FAILURES):
            live = (
                "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > clock_timestamp() - interval '8 s'"
            )
            return int((await self.sql(live))[0][0]) >= len(self.workers)
        return False

    async def until(
        self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS, pause: float = LOOK_SECONDS
    ) -> float:
        """Wait for it; how long that took. Raises AssertionError."""
        begun = time.monotonic()
        while not await condition():
            assert time.monotonic() - begun < seconds, f"did not happen in {seconds} s: {what}"
            await asyncio.sleep(pause)
        return time.monotonic() - begun

    async def restart(self, number: int, **extra: str) -> None:
        """An API process that was killed or has ended comes back on its port; returns when it is ready."""
        await self.apis[number].start(**extra)
        await self.api_ready(number)

    async def serve(self, **extra: str) -> None:
        """Both API processes anew, with these settings over the usual ones."""
        for number, api in enumerate(self.apis):
            await api.stop()
            await self.restart(number, **extra)

    async def crash_database(self) -> float:
        """kill -9 of all of PostgreSQL, and its recovery; the monotonic time from which on it accepts again."""
        await self.cluster.crash()
        await asyncio.to_thread(self.cluster.start)
        return time.monotonic()

    # What it knows.

    async def sql(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows, past every wire, on a connection of its own. Raises one of SQL_FAILURES."""
        settings = {"application_name": "checker"}
        connection = await asyncpg.connect(self.cluster.url, timeout=5, server_settings=settings)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        finally:
            await connection.close()
        return rows

    async def value(self, statement: str, *arguments: Any) -> Any:
        return (await self.sql(statement, *arguments))[0][0]

    async def told(self, path: str) -> Any:
        """What the sandbox's ledgers say."""
        async with httpx.AsyncClient(verify=trusted(), base_url=self.sandbox_url, timeout=60) as http:
            answer = await http.get(path)
            answer.raise_for_status()
            return answer.json()

    async def tell(self, path: str, body: Any = None) -> Any:
        """Have the sandbox do something: pay, turn, fail."""
        async with httpx.AsyncClient(verify=trusted(), base_url=self.sandbox_url, timeout=60) as http:
            answer = await http.post(path, json=body if body is not None else {})
            answer.raise_for_status()
            return answer.json()

    async def connections(self) -> int:
        return int(await self.value(f"SELECT count(*) FROM pg_stat_activity WHERE {APP_CONNECTIONS}"))

    def crashes(self) -> list[str]:
        """What the programs have called a crash of theirs: errors that nobody had foreseen."""
        lines = [line for program in (*self.apis, *self.workers) for line in program.said().splitlines()]
        return [line for line in lines if '"event": "crash"' in line]


@asynccontextmanager
async def open_world(folder: Path, *, quick: bool = False) -> AsyncIterator[World]:
    """A world that stands until the block ends."""
    async with AsyncExitStack() as stack:
        world = World(folder, quick=quick)
        await world.open(stack)
        yield world
