"""R19: a backup that was taken in the middle of the day, and the log since then, bring back any instant of it."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.clients.trust import trusted
from app.jobs.invariants import RULES
from launcher import postmaster, server
from launcher.accounts import give_to_server, run_as_server, server_account
from tests.chaos import programs
from tests.chaos.checker import OPERATIONS, digest_of, taken_up
from tests.chaos.cluster import OWNER, OwnCluster
from tests.chaos.invariants import INVARIANTS
from tests.chaos.journal import Call
from tests.chaos.ports import free_port
from tests.chaos.proving import prove
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.shows("R19")]
LIMIT_SECONDS = 180.0
# For the load before and after, which is not what is measured.
PATIENCE_SECONDS = 600.0
# What holds at every instant, also while much is under way. The rest of the invariants is about how it all ends.
ALWAYS = [
    *(name for name in INVARIANTS if name.startswith(("I1", "I2", "I5: a coupon"))),
    "I4: an order with two payments that count",
    "I4: more given back than paid",
    "a ledger below zero",
    "two live holds of one buyer",
    "a hold that is live and finished",
    "a hold that ended twice",
]


_HOLDS = """
    SELECT token::text, status, order_id FROM reservation_finished
    UNION ALL SELECT token::text, 'live', NULL FROM reservation
"""
_PAGES = "SELECT p.order_id, a.init_point FROM payment_attempt a JOIN payment p ON p.id = a.payment_id"
_REFUNDS = "SELECT request_mark FROM payment_refund WHERE state = 'done' AND request_mark IS NOT NULL"


class Vault:
    """A base backup and the log that has been written since it began."""

    def __init__(self, cluster: OwnCluster) -> None:
        self.cluster = cluster
        self.home = Path(tempfile.mkdtemp(prefix="relampago-vault-"))
        self.log = self.home / "log"
        for folder in (self.home, self.log):
            give_to_server(folder)

    def let_in(self) -> None:
        """Replication is a right of its own."""
        rules = self.cluster.data / "pg_hba.conf"
        text = rules.read_text(encoding="utf-8")
        if "local replication" not in text:
            rules.write_text(f"local replication {OWNER} peer map=launcher\n{text}", encoding="utf-8")
        self.cluster.query("SELECT pg_reload_conf()")

    def _command(self, tool: str, *arguments: str) -> list[str]:
        place = (f"--host={server.socket_folder(self.cluster.home)}", f"--port={self.cluster.port}")
        return [self.cluster.tools.tool(tool), *place, f"--username={OWNER}", "--no-password", *arguments]

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """The log is copied as it is written, for as long as the block lasts."""
        account = server_account()
        other = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        command = self._command("pg_receivewal", f"--directory={self.log}", "--synchronous")
        process = subprocess.Popen(command, cwd="/", **other)  # type: ignore[call-overload] # noqa: S603
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)

    def take(self) -> None:
        """The base backup."""
        command = self._command(
            "pg_basebackup", f"--pgdata={self.home / 'data'}", "--checkpoint=fast", "--wal-method=none"
        )
        done = run_as_server(command)
        if done.returncode:
            raise RuntimeError(done.stderr)

    async def received(self, world: World) -> None:
        """Until everything that was written by now is here."""
        segment = self.cluster.query("SELECT pg_walfile_name(pg_switch_wal())")

        async def here() -> bool:
            return (self.log / segment).exists()

        await world.until(here, f"{segment} is in the vault")

    def restored(self, until: str) -> OwnCluster:
        """A cluster of its own as the first one was at an instant."""
        copy = OwnCluster()
        shutil.rmtree(copy.home)
        give_to_server(copy.home)
        (self.home / "data").rename(copy.data)
        recovery = (
            f'restore_command = \'cp "{self.log}/%f" "%p"\'',
            f"recovery_target_time = '{until}'",
            "recovery_target_action = 'promote'",
        )
        (copy.data / "recovery.signal").touch()
        os.chown(copy.data / "recovery.signal", copy.data.stat().st_uid, copy.data.stat().st_gid)
        (copy.home / "port").write_text(str(free_port()), encoding="ascii")
        copy.options = (*copy.options, *recovery)
        try:
            copy.start()
        except BaseException:
            copy.remove()
            raise
        return copy

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)


async def test_any_instant_comes_back(world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool) -> None:
    vault = Vault(world.cluster)
    vault.let_in()
    calls = 1500 if full_rounds else 60
    copy = None
    try:
        with vault.receiving():
            async with Crowd(world, mall, seed) as crowd:
                await crowd.busy(calls, PATIENCE_SECONDS)
                await asyncio.to_thread(vault.take)
                await crowd.busy(calls, PATIENCE_SECONDS)
                # What was acked before this instant was stored before it.
                acked = [call for call in world.journal.calls if call.end == "ack" and call.kind in OPERATIONS]
                until = str(await world.value("SELECT clock_timestamp()"))
                await crowd.busy(calls, PATIENCE_SECONDS)
            await vault.received(world)
        begun = time.monotonic()
        copy = await asyncio.to_thread(vault.restored, until)
        wrong = await looked_at(world, copy, acked, until)
        served = await serves(world, copy)
        took = time.monotonic() - begun
    finally:
        if copy is not None:
            copy.remove()
        vault.remove()
    await prove(world, crowd.client)
    later = sum(call.end == "ack" and call.kind in OPERATIONS for call in world.journal.calls) - len(acked)
    kinds = Counter(call.kind for call in acked)
    each = ", ".join(f"{kinds[kind]} x {kind}" for kind in OPERATIONS)
    figure = f"{len(acked)} promises of before ({each}) are there, {later} of after not looked for, in {took:.0f} s"
    held = not wrong and served and took <= LIMIT_SECONDS and later > 0
    if full_rounds:
        held = held and all(kinds[kind] for kind in OPERATIONS)
    goals.note("R19", "restored to an instant: invariants hold, <= 3 min", figure, held=held)
    assert held, (wrong, served, figure)


async def looked_at(world: World, copy: OwnCluster, acked: Sequence[Call], until: str) -> list[str]:
    """What is wrong in the restored database."""
    connection = await asyncpg.connect(copy.url)
    try:
        # It answers readers while it still reads the log.
        async def writable() -> bool:
            return bool(await connection.fetchval("SELECT NOT pg_is_in_recovery()"))

        await world.until(writable, "the log is read up to the instant")
        found = [f"{name}: {rows[:3]}" for name in ALWAYS if (rows := await connection.fetch(INVARIANTS[name]))]
        found += [name for name in ("stock_adds_up",) if await connection.fetchval(RULES[name])]
        found += [f"lost: {call.kind} {call.facts}, {call.answer}" for call in await broken(connection, acked, world)]
        late = "SELECT count(*) FROM orders WHERE created_at > $1::text::timestamptz"
        if late_ones := await connection.fetchval(late, until):
            found.append(f"{late_ones} orders of after the instant")
    finally:
        await connection.close()
    return found


async def broken(connection: asyncpg.Connection, acked: Sequence[Call], world: World) -> list[Call]:
    """The promises that are not kept in this database: what was done is not there, or not its answer's key."""
    holds = {token: (status, order) for token, status, order in await connection.fetch(_HOLDS)}
    orders = dict(await connection.fetch("SELECT id, status FROM orders"))
    pages = {tuple(row) for row in await connection.fetch(_PAGES)}
    refunds = {bytes(mark) for (mark,) in await connection.fetch(_REFUNDS)}
    refunds |= taken_up({digest_of(call): call for call in world.journal.of("refund")}, refunds)
    keys = {bytes(row[0]) for row in await connection.fetch("SELECT digest FROM idempotency_key")}

    def kept(call: Call) -> bool:
        facts, answer = call.facts, call.answer
        match call.kind:
            case "reserve":
                return answer["token"] in holds
            case "confirm":
                return holds.get(facts["token"]) == ("confirmed", answer["order"])
            case "release":
                return facts["token"] in holds and holds[facts["token"]][0] in {"cancelled", "expired"}
            case "order":
                return answer["id"] in orders
            case "cancel":
                return orders.get(facts["order"]) == "cancelled"
            case "pay":
                return (facts["order"], answer["init_point"]) in pages
            case "refund":
                return digest_of(call) in refunds
        raise ValueError(call.kind)

    return [call for call in acked if not kept(call) or digest_of(call) not in keys]


async def serves(world: World, copy: OwnCluster) -> bool:
    """Whether an API process that is started on the copy answers from it."""
    port = free_port()
    environ = world.environ(DATABASE_URL=copy.url)
    api = programs.api(9, port, environ, world.folder)
    await api.start()
    try:
        async with httpx.AsyncClient(verify=trusted(), base_url=f"http://127.0.0.1:{port}", timeout=5) as http:

            async def ready() -> bool:
                try:
                    return (await http.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await world.until(ready, "an API process on the restored database is ready")
            answer = await http.get("/api/orders/", headers=world.arena.buyers[0].headers)
            return answer.status_code == 200 and postmaster.read(copy.data) is not None
    finally:
        await api.stop()
