"""A PostgreSQL of one's own, to crash: durable as in production, made for one session and removed after it."""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

from launcher import binaries, places, postmaster, server
from launcher.accounts import give_to_server
from tests.chaos.ports import free_port

OWNER = "relampago_chaos"
PASSWORD = "chaos-chaos-chaos"
DATABASE = "relampago"
# Small, since its pages are written for real. What a crash of the machine would lose is not lost here either.
OPTIONS = (
    "max_connections = 120",
    "shared_buffers = 64MB",
    "max_wal_size = 256MB",
    "restart_after_crash = off",
    "recovery_init_sync_method = syncfs",
)
GONE_SECONDS = 20.0


class OwnCluster:
    """It starts on the same port each time."""

    def __init__(self, options: tuple[str, ...] = ()) -> None:
        """`options` are further lines of the server's settings."""
        self.tools = binaries.find_all()[0]
        self.home = Path(tempfile.mkdtemp(prefix="relampago-chaos-"))
        self.options = (*OPTIONS, *options)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def port(self) -> int:
        return int((self.home / "port").read_text(encoding="ascii"))

    @property
    def url(self) -> str:
        return f"postgresql://{OWNER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    def make(self) -> None:
        """Files, a running server, and an empty database."""
        give_to_server(self.home)
        server.make(self.tools, self.home, OWNER)
        (self.home / "port").write_text(str(free_port()), encoding="ascii")
        self.start()
        self.query(f"ALTER ROLE {OWNER} PASSWORD '{PASSWORD}'", database="postgres")
        self.query(f"CREATE DATABASE {DATABASE}", database="postgres")

    def start(self) -> None:
        """Returns when it accepts connections, after a recovery if it needs one."""
        before = self.port if (self.home / "port").exists() else 0
        server.start(self.tools, self.home, self.options)
        if before and before != self.port:
            raise RuntimeError(f"another program has taken port {before}")

    def query(self, sql: str, *, database: str = DATABASE) -> str:
        """What a statement answers the owner, over the socket. Raises RuntimeError."""
        done = server.psql(self.tools, self.home, OWNER, database, sql)
        if done.returncode:
            raise RuntimeError(f"{sql}: {done.stderr}")
        return done.stdout.strip()

    @property
    def pids(self) -> list[int]:
        """The postmaster's and its children's, none when it does not run."""
        running = postmaster.read(self.data)
        if running is None:
            return []
        task = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        return [running.pid, *(int(pid) for pid in task.read_text(encoding="ascii").split())]

    async def crash(self) -> None:
        """kill -9 of all its processes; returns when they are gone. The port refuses from then on."""
        pids = self.pids
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        async with asyncio.timeout(GONE_SECONDS):
            while any(_runs(pid) for pid in pids):
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        """An orderly stop."""
        server.stop(self.tools, self.home)

    def remove(self) -> None:
        if postmaster.read(self.data):
            server.stop(self.tools, self.home)
        shutil.rmtree(self.home, ignore_errors=True)
        socket = places.socket_folder(self.home)
        if self.home not in socket.parents:
            shutil.rmtree(socket, ignore_errors=True)


def _runs(pid: int) -> bool:
    """Whether it is a process that has not ended; one that nobody has waited for counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
