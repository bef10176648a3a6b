"""Real workers that push to a sandbox, in a shop full of people with telephones."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.factories_catalog import CENTRE

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 90

# A device each, and for every third of them a second one.
_CROWD = """
    WITH person AS (
        INSERT INTO users (username, email, password_hash, is_active)
        SELECT $1 || n, $1 || n || '@example.com', '-', true FROM generate_series(1, $2) n RETURNING id
    ), placed AS (
        INSERT INTO profiles (user_id, location) SELECT id, CAST($3 AS geography) FROM person RETURNING user_id
    )
    INSERT INTO device_token (user_id, token, platform)
    SELECT user_id, $1 || user_id || '-' || n, 'android'
      FROM placed CROSS JOIN generate_series(1, 2) n WHERE n = 1 OR user_id % 3 = 0
    RETURNING token
"""
_PROMO = """
    INSERT INTO flash_promo (store_product_id, pool_id, starts_at, ends_at)
    SELECT id, pool_id, clock_timestamp() + make_interval(secs => $1), clock_timestamp() + interval '1 hour'
      FROM store_product LIMIT 1 RETURNING id
"""
_DEFER = """
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW('default', $1, 0, NULL, NULL, CAST($2 AS jsonb), clock_timestamp() + make_interval(secs => $3))
        ::procrastinate_job_to_defer_v1])
"""
# Each job that waits, once more: as if it were delivered twice.
_TWICE = """
    SELECT procrastinate_defer_jobs_v1(ARRAY(
        SELECT ROW(queue_name, task_name, priority, NULL, NULL, args, NULL)::procrastinate_job_to_defer_v1
          FROM procrastinate_jobs WHERE task_name = $1 AND status IN ('todo', 'doing')))
"""


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Look again and again, and fail by name when it does not happen."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not happen in {PATIENCE_SECONDS} s: {what}") from None


class PushArena:
    """A database of its own; workers are started and ended by the test."""

    def __init__(self, pool: asyncpg.Pool, sandbox: Sandbox, environ: Mapping[str, str], log: Path) -> None:
        self.pool = pool
        self.sandbox = sandbox
        self._environ = environ
        self._log = log
        self._workers: list[asyncio.subprocess.Process] = []

    async def worker(self) -> asyncio.subprocess.Process:
        """A worker that has begun to work."""
        before = await self.pool.fetchval("SELECT COALESCE(max(id), 0) FROM procrastinate_workers")
        with self._log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "app",
                "jobs",
                "worker",
                cwd=ROOT,
                env=dict(self._environ),
                stdout=output,
                stderr=output,
            )
        self._workers.append(process)

        async def registered() -> bool:
            newest = await self.pool.fetchval("SELECT COALESCE(max(id), 0) FROM procrastinate_workers")
            return bool(newest > before)

        await until(registered, "a worker registers")
        return process

    async def stop(self) -> None:
        """Every worker, however it is."""
        for process in self._workers:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def crowd(self, name: str, count: int) -> set[str]:
        """So many people at the store's door; the tokens of their devices."""
        return {row["token"] for row in await self.pool.fetch(_CROWD, name, count, CENTRE.ewkt)}

    async def promo(self, *, starts_in: float = 0.0) -> int:
        """A promotion for everybody there, with the job that its making would have queued."""
        promo = int(await self.pool.fetchval(_PROMO, starts_in))
        await self.defer("notify_promo", starts_in, promo_id=promo)
        return promo

    async def defer(self, name: str, after: float = 0.0, **args: Any) -> None:
        await self.pool.execute(_DEFER, name, msgspec.json.encode(args).decode(), after)

    async def deliver_twice(self, name: str) -> None:
        await self.pool.execute(_TWICE, name)

    async def states(self, promo: int) -> Counter[str]:
        rows = await self.pool.fetch("SELECT state, count(*) FROM push_log WHERE promo_id = $1 GROUP BY 1", promo)
        return Counter({row[0]: row[1] for row in rows})

    async def settled(self, promo: int, devices: int) -> bool:
        """Whether every push has an end."""
        states = await self.states(promo)
        return sum(states.values()) == devices and not states["waiting"] + states["sending"]

    async def unknown(self, promo: int) -> set[str]:
        rows = await self.pool.fetch(
            "SELECT d.token FROM push_log l JOIN device_token d ON d.id = l.device_token_id"
            " WHERE l.promo_id = $1 AND l.state = 'unknown'",
            promo,
        )
        return {row["token"] for row in rows}

    def slow(self, seconds: float) -> None:
        """From now on every answer takes so long; what is asked for is done before it."""
        self.sandbox.world.faults.add(Fault(provider="fcm", times=1_000_000, delay_seconds=seconds))

    def arrived(self, promo: int) -> Counter[str]:
        """How many pushes of a promotion each token got at the sandbox."""
        pushes = self.sandbox.world.ledger.pushes.newest_first()
        return Counter(push.token for push in pushes if push.data.get("promo_id") == str(promo))

    async def pretend_time_passed(self) -> None:
        """As if a quarter of a minute had gone by for workers, and three for pushes under way."""
        await self.pool.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '16 seconds'")
        await self.pool.execute("UPDATE push_log SET due_at = clock_timestamp() WHERE state = 'sending'")
        for upkeep in ("upkeep:rescue_stalled", "notifications:sweep"):
            await self.defer(upkeep)

    async def rescued(self) -> None:
        """What was in the hands of the dead is free, and comes back now instead of within the next half minute."""

        async def free() -> bool:
            return not await self.pool.fetchval(
                "SELECT count(*) FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id"
                " WHERE j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - interval '15 seconds')"
            )

        await until(free, "the jobs of a dead worker are rescued")
        await self.pool.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at > now()")

    async def cut_connections(self) -> None:
        """What a restart of the database does to its clients."""
        await self.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name ~ '^relampago-(queue|worker)$'"
        )


def environment(base: Mapping[str, str], sandbox: Sandbox) -> dict[str, str]:
    return {
        **base,
        "FCM_BASE_URL": f"{sandbox.url}/fcm",
        "GOOGLE_SERVICE_ACCOUNT_FILE": str(sandbox.account_file),
        "LITESTAR_APP": "app.server:create_app",
        "LOG_LEVEL": "error",
        "TZ": os.environ.get("TZ", "UTC"),
    }
