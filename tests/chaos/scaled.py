"""The world beyond one machine: PgBouncer before the primary, two replicas behind it, one of them for reading.

    API, worker -- bouncer -- database_wire -- primary == standby-1, standby-2 (reads, by read_wire)

What has to have a session of its own goes past the bouncer. After a failover `world.cluster` is the new primary, and
the wire leads there, as a service's address does.
"""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from app.clients.trust import trusted
from launcher.accounts import give_to_server, run_as_server, server_account
from tests.chaos.cluster import OWNER, PASSWORD, OwnCluster
from tests.chaos.ports import free_port
from tests.chaos.programs import Program
from tests.chaos.proxy import Proxy
from tests.chaos.world import World

PRIMARY = ("wal_level = replica", "max_wal_senders = 10", "hot_standby = on", "wal_keep_size = 256MB")
SYNCHRONOUS = "ANY 1 (standby_1, standby_2)"
ATTACH_SECONDS = 60.0


class Replica(OwnCluster):
    """A streaming copy of another cluster, with a port of its own from the beginning."""

    def __init__(self, name: str) -> None:
        super().__init__(PRIMARY)
        self.name = name
        (self.home / "port").write_text(str(free_port()), encoding="ascii")

    def follow(self, port: int) -> None:
        """A new copy of whoever answers at that port, following it; returns when it accepts readers."""
        if self.pids:
            self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        give_to_server(self.home)
        source = f"host=127.0.0.1 port={port} user={OWNER} application_name={self.name}"
        command = [self.tools.tool("pg_basebackup"), "-D", str(self.data), "-d", source, "-R", "-X", "stream"]
        done = run_as_server([*command, "--checkpoint=fast", "--no-password"], env={"PGPASSWORD": PASSWORD})
        if done.returncode:
            raise RuntimeError(f"pg_basebackup: {done.stderr}")
        self.start()

    def promote(self) -> None:
        """Returns when it takes writes. It waits for nobody with its own commits, until it is told to."""
        self.query("SELECT pg_promote(true, 30)", database="postgres")
        self.query("ALTER SYSTEM RESET synchronous_standby_names", database="postgres")
        self.query("SELECT pg_reload_conf()", database="postgres")


class Bouncer:
    """PgBouncer in transaction mode, as a process that may be restarted."""

    def __init__(self, binary: str, port: int, *, prepared: bool) -> None:
        self.binary, self.port, self.prepared = binary, port, prepared
        self.folder = Path(tempfile.mkdtemp(prefix="relampago-bouncer-"))
        self.program: Program

    def write(self, target: int, environ: dict[str, str]) -> None:
        """Its two files; it leads to the port `target`."""
        give_to_server(self.folder)
        (self.folder / "users.txt").write_text(f'"{OWNER}" "{PASSWORD}"\n', encoding="utf-8")
        lines = [
            "[databases]",
            f"relampago = host=127.0.0.1 port={target} dbname=relampago",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = scram-sha-256",
            f"auth_file = {self.folder}/users.txt",
            f"user = {server_account().pw_name}",
            "pool_mode = transaction",
            "default_pool_size = 20",
            "max_client_conn = 500",
            "server_login_retry = 1",
            *(["max_prepared_statements = 500"] if self.prepared else []),
        ]
        (self.folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for name in ("users.txt", "pgbouncer.ini"):
            shutil.chown(self.folder / name, server_account().pw_name)
        self.program = Program("bouncer", (self.binary, str(self.folder / "pgbouncer.ini")), environ, self.folder)

    async def restart(self) -> None:
        """Gone at once with all its connections, and back."""
        await self.program.kill()
        await self.program.start()

    async def remove(self) -> None:
        await self.program.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class ScaledWorld(World):
    def __init__(self, folder: Path, binary: str, *, prepared: bool, quick: bool) -> None:
        super().__init__(folder, quick=quick, options=PRIMARY)
        self.read_wire = Proxy(0)
        # Between the primary and its replicas: what is behind it may fall behind.
        self.log_wire = Proxy(0)
        self.replicas = [Replica("standby_1"), Replica("standby_2")]
        self.bouncer = Bouncer(binary, free_port(), prepared=prepared)
        self._read_port, self._log_port = free_port(), free_port()

    @property
    def reader(self) -> Replica:
        """Where the storefront's lists are read."""
        return self.replicas[-1]

    def environ(self, **extra: str) -> dict[str, str]:
        usual = super().environ()
        direct = usual["DATABASE_URL"]

        def at(port: int) -> str:
            return direct.replace(f":{self.database_wire.port}/", f":{port}/")

        return {
            **usual,
            "DATABASE_URL": at(self.bouncer.port),
            "DATABASE_DIRECT_URL": direct,
            "DATABASE_READ_URL": at(self._read_port),
            "DATABASE_POOLER": "transaction" if self.bouncer.prepared else "transaction-unprepared",
            **extra,
        }

    async def enlarge(self, stack: AsyncExitStack) -> None:
        for replica in self.replicas:
            stack.callback(replica.remove)
        await self.read_wire.open(self._read_port)
        await self.log_wire.open(self._log_port)
        for wire in (self.read_wire, self.log_wire):
            stack.push_async_callback(wire.close)
        self.bouncer.write(self.database_wire.port, self.environ())
        stack.push_async_callback(self.bouncer.remove)
        await self.bouncer.program.start()
        await self.attach()
        await self.synchronize()

    async def attach(self) -> None:
        """Every replica is a fresh copy of the primary and follows it."""
        self.log_wire.behave()
        self.log_wire.target = self.cluster.port
        await asyncio.to_thread(self._admit_replicas)
        for replica in self.replicas:
            await asyncio.to_thread(replica.follow, self._log_port)
        self.read_wire.target = self.reader.port

        async def attached() -> bool:
            there = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
            return await asyncio.to_thread(self.cluster.query, there) == str(len(self.replicas))

        await self.until(attached, "the replicas follow", ATTACH_SECONDS)

    def _admit_replicas(self) -> None:
        rules = self.cluster.data / "pg_hba.conf"
        line = "host replication all 127.0.0.1/32 scram-sha-256\n"
        if line not in rules.read_text(encoding="utf-8"):
            with rules.open("a", encoding="utf-8") as file:
                file.write(line)
        self.cluster.query("SELECT pg_reload_conf()", database="postgres")

    async def synchronize(self, *, names: str = SYNCHRONOUS) -> None:
        """From now on commits wait for one of these; for none when empty."""
        await asyncio.to_thread(self.cluster.query, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        await asyncio.to_thread(self.cluster.query, "SELECT pg_reload_conf()")

        async def known() -> bool:
            asked = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
            there = await asyncio.to_thread(self.cluster.query, asked)
            return int(there) == (len(self.replicas) if names else 0)

        await self.until(known, "the replicas are synchronous as wished", ATTACH_SECONDS)

    async def fail_over(self) -> Replica:
        """The primary is gone, a replica takes its place and its address; the old one is taken away."""
        old = self.cluster
        await old.crash()
        chosen = max(self.replicas, key=_position)
        await asyncio.to_thread(chosen.promote)
        self.database_wire.target = chosen.port
        self.database_wire.cut()
        self.cluster = chosen
        self.replicas = [one for one in self.replicas if one is not chosen]
        await asyncio.to_thread(old.remove)
        return chosen

    async def rebuild(self, stack: AsyncExitStack) -> None:
        """Two replicas again, behind whoever is primary now; commits wait for one of them."""
        replica = Replica("standby_1" if self.replicas[0].name == "standby_2" else "standby_2")
        stack.callback(replica.remove)
        self.replicas.insert(0, replica)
        await self.attach()
        await self.synchronize()

    async def lag(self, *, paused: bool) -> None:
        """The reader stops replaying, or goes on."""
        word = "pause" if paused else "resume"
        await asyncio.to_thread(self.reader.query, f"SELECT pg_wal_replay_{word}()")

    async def counted(self, name: str, **labels: str) -> float:
        """A counter over both API processes."""
        total = 0.0
        for door in self.doors:
            async with httpx.AsyncClient(verify=trusted(), base_url=door, timeout=30) as http:
                text = (await http.get("/metrics")).text
            marks = ",".join(f'{key}="{value}"' for key, value in labels.items())
            total += sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name}{{{marks}}}"))
        return total


def _position(replica: Replica) -> int:
    """How far it has received the primary's log, in bytes."""
    asked = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')"
    return int(replica.query(asked, database="postgres") or 0)
