"""A private PostgreSQL cluster, shared between the processes that use it. No system cluster is ever touched."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from launcher import binaries, debian, leases, postmaster, server
from launcher.console import Failure, last_lines, say
from launcher.places import cluster_home, make_home
from launcher.project import alone, secret

OWNER, APP, TEST_OWNER = "relampago_owner", "relampago_app", "relampago_test"
ROLES_FILE = Path(__file__).with_name("roles.sql")
TEST_SETUP = f"""\\getenv password POSTGRES_PASSWORD
ALTER ROLE {TEST_OWNER} PASSWORD :'password';
"""
WAITING_FOR = "it starts or stops the database"
# A crash of the machine may lose what tests wrote, and only that; no other cluster is ever run so.
NOT_DURABLE = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


@dataclass(frozen=True)
class Cluster:
    """One cluster by its name; `setup` is SQL that its owner runs when it is new, or the SQL or a password is."""

    name: str
    owner: str
    database: str
    setup: str
    passwords: Mapping[str, str]
    options: tuple[str, ...] = ()

    @cached_property
    def home(self) -> Path:
        return cluster_home(self.name)

    @property
    def running(self) -> postmaster.Postmaster | None:
        return postmaster.read(self.home / "data")

    def url(self, role: str, password: str) -> str:
        if self.running is None:
            raise Failure(f"the {self.name} cluster is not running; its log: {self.home / 'postgresql.log'}")
        return f"postgresql://{role}:{password}@{server.LOOPBACK}:{self.running.port}/{self.database}"

    def start(self, *, keep: bool = False) -> None:
        """Have it run until the last process that uses it ends; if it is to be kept, until `stop`."""
        with alone(f"{self.name}-cluster", WAITING_FOR):
            tools = self._tools()
            make_home(self.home)
            if not (self.home / "data").exists():
                say(f"making the {self.name} cluster in {self.home} with PostgreSQL {tools.major}")
                server.make(tools, self.home, self.owner)
            if self.running is None:
                say(f"starting the {self.name} cluster")
                server.start(tools, self.home, self.options)
            self._set_up(tools)
            leases.take(self.name)
            if keep:
                leases.keep_running(self.home, self.running)

    def release(self) -> None:
        """Stop it, unless another process uses it or it is to be kept."""
        with alone(f"{self.name}-cluster", WAITING_FOR):
            if leases.last_user(self.name) and self.running and not leases.is_kept(self.home, self.running):
                server.stop(self._tools(), self.home)

    def stop(self) -> None:
        with alone(f"{self.name}-cluster", WAITING_FOR):
            if self.running:
                say(f"stopping the {self.name} cluster")
                server.stop(self._tools(), self.home)

    def query(self, sql: str) -> str:
        """What a statement answers the owner; nothing when it fails."""
        done = server.psql(self._tools(), self.home, self.owner, self.database, sql)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _set_up(self, tools: binaries.Binaries) -> None:
        stamp, wanted = self.home / "set-up", hashlib.sha256(repr([self.setup, self.passwords]).encode()).hexdigest()
        if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
            return
        done = server.psql(tools, self.home, self.owner, "postgres", self.setup, env=self.passwords)
        if done.returncode != 0:
            raise Failure(f"the roles of the {self.name} cluster could not be made:\n{last_lines(done.stderr)}")
        stamp.write_text(wanted, encoding="ascii")

    def _tools(self) -> binaries.Binaries:
        found = binaries.find_all()
        if not found and debian.can_install():
            debian.install_postgis()
            found = binaries.find_all()
        if not found:
            raise Failure("no PostgreSQL with PostGIS was found: " + debian.manual_advice())
        version_file = self.home / "data" / "PG_VERSION"
        if not version_file.exists():
            return found[0]
        version = version_file.read_text(encoding="ascii").strip()
        for tools in found:
            if str(tools.major) == version:
                return tools
        raise Failure(
            f"the data in {self.home} was made by PostgreSQL {version}, and the installed ones with PostGIS are "
            f"{', '.join(str(tools.major) for tools in found)}: "
            f"install {version} too, or lose the data with `make clean`"
        )


def development() -> Cluster:
    passwords = {
        "POSTGRES_PASSWORD": secret("dev_owner_password"),
        "POSTGRES_APP_PASSWORD": secret("dev_app_password"),
    }
    return Cluster("dev", OWNER, "relampago", ROLES_FILE.read_text(encoding="utf-8"), passwords)


def testing() -> Cluster:
    passwords = {"POSTGRES_PASSWORD": secret("test_owner_password")}
    return Cluster("test", TEST_OWNER, "postgres", TEST_SETUP, passwords, (*NOT_DURABLE, "max_connections = 400"))
