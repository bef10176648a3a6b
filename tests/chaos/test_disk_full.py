"""R11: the disk of the tables is full, twice: nobody is told yes for nothing, and all goes on when there is space."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from launcher.accounts import give_to_server
from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.shows("R11")]
SIZE_MIB, PIECE = 256, 1 << 16
BACK_SECONDS = 10.0
_TABLESPACE = "chaos_small"


def run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - our own words


class SmallDisk:
    """A file system of its own for all tables, which can be filled up. Needs the right to mount."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.place = world.cluster.home / "small"
        self._ballast = self.place / "ballast"

    def mount(self) -> None:
        """Raises CalledProcessError where this machine does not let it."""
        self.place.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(self.place))

    async def open(self) -> None:
        data = self.place / "tables"
        give_to_server(data)
        self.world.cluster.query(f"CREATE TABLESPACE {_TABLESPACE} LOCATION '{data}'")
        await self.move("pg_default", _TABLESPACE)

    async def move(self, old: str, new: str) -> None:
        """All tables and indexes, while the shop is open: whoever is in the way is waited for, and nobody for long."""
        for kind in ("TABLE", "INDEX"):
            names = await self.world.sql(_LYING[kind], 0 if old == "pg_default" else await self._oid(old))
            for (name,) in names:
                await self._move(f"ALTER {kind} {name} SET TABLESPACE {new}")

    async def _oid(self, name: str) -> int:
        return int(await self.world.value("SELECT oid FROM pg_tablespace WHERE spcname = $1", name))

    async def _move(self, statement: str) -> None:
        async def moved() -> bool:
            connection = await asyncpg.connect(self.world.cluster.url, server_settings={"lock_timeout": "200ms"})
            try:
                await connection.execute(statement)
            except asyncpg.LockNotAvailableError:
                return False
            finally:
                await connection.close()
            return True

        await self.world.until(moved, statement)

    def fill(self) -> None:
        with self._ballast.open("ab") as file, suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(PIECE))
        with self._ballast.open("ab") as file, suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(1))

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    async def close(self) -> None:
        self.empty()
        await self.move(_TABLESPACE, "pg_default")
        self.world.cluster.query("CHECKPOINT")
        self.world.cluster.query(f"DROP TABLESPACE {_TABLESPACE}")
        run("umount", "--lazy", str(self.place))


_LYING = {
    "TABLE": """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.reltablespace = $1::bigint::oid ORDER BY 1
    """,
    "INDEX": """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'i' AND n.nspname = 'public' AND c.reltablespace = $1::bigint::oid ORDER BY 1
    """,
}


@pytest.fixture
async def disk(world: World) -> AsyncIterator[SmallDisk]:
    small = SmallDisk(world)
    try:
        small.mount()
    except subprocess.CalledProcessError as refused:
        small.place.rmdir()
        pytest.fail(f"a disk that can be filled has to be mounted, as root with CAP_SYS_ADMIN: {refused.stderr}")
    try:
        await small.open()
        yield small
    finally:
        await small.close()
        Path(small.place).rmdir()


async def test_the_disk_is_full(  # noqa: PLR0917 - fixtures
    world: World, mall: Mall, disk: SmallDisk, seed: int, goals: Goals, full_rounds: bool
) -> None:
    since, pids = len(world.journal.calls), [program.pid for program in world.programs]
    slowest, seconds = 0.0, 20.0 if full_rounds else 2.0
    async with Crowd(world, mall, seed) as crowd:
        client = crowd.client
        for _ in range(2 if full_rounds else 1):
            await crowd.busy(50)
            refused = client.statuses["503"]
            disk.fill()

            async def told(before: int = refused) -> bool:
                return client.statuses["503"] > before

            await world.until(told, "somebody is told that nothing can be stored")
            looked = await client.look(f"/api/products/{mall.products[0]}/", {})
            assert looked is not None
            assert looked.status_code == 200
            await asyncio.sleep(seconds)
            begun = time.monotonic()
            disk.empty()
            slowest = max(slowest, await first_order(world, begun))
    report = await prove(world, client)
    same = pids == [program.pid for program in world.programs]
    lost = unknown(world, since)
    figure = f"{client.statuses['503']} told 503, back after {slowest:.1f} s, {lost} without a verdict"
    held = same and slowest <= BACK_SECONDS and lost == 0
    goals.note("R11", "disk full twice: no false yes, 503, back <= 10 s without a restart", figure, held=held)
    assert held, (figure, report.counts)


async def first_order(world: World, begun: float) -> float:
    """Seconds until an order that began after there was space was stored."""
    orders = "SELECT count(*) FROM orders WHERE created_at > clock_timestamp() - make_interval(secs => $1)"

    async def stored() -> bool:
        return bool(await world.value(orders, time.monotonic() - begun))

    await world.until(stored, "orders are stored again")
    return time.monotonic() - begun
