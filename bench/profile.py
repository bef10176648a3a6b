"""Where an operation's time goes: `python -m bench.profile order products`, or all of them without names.

Under load: microseconds of processor time an answer, the server's and the database's, and what py-spy (from the PATH,
or PY_SPY) sees of the server. Alone, in this process: the statements by auto_explain, with PLANS=1 their plans, and the
bytes that a request has allocated at most. Both are the application as it is deployed, but for throttles.
"""

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psycopg

from app.server import create_app
from bench import dataset, load, processes
from bench.plan import PROCESSES
from bench.profile_requests import OPERATIONS, WEBHOOK_SECRET, Operation
from bench.subjects import UNTHROTTLED, running

SECONDS, WARM_SECONDS = 4.0, 1.0
ALONE = 30
SAMPLES_A_SECOND = 400
SHOWN = 24


def main(names: Sequence[str]) -> int:
    admin_url = os.environ.get("BENCH_DATABASE_URL")
    if not admin_url:
        raise SystemExit("BENCH_DATABASE_URL is not set: start it with `make bench`")
    # Ended by whomever, the servers that were started end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    secret = secrets.token_hex(32)
    for name in names or list(OPERATIONS):
        operation = OPERATIONS[name]
        url = dataset.prepare(admin_url, operation.data)
        print(f"\n== {name}", flush=True)
        under_load(url, secret, operation)
        asyncio.run(alone(url, secret, operation))
    return 0


def under_load(url: str, secret: str, operation: Operation) -> None:
    """Two processes as they are deployed. Raises SystemExit for another answer than the operation's."""
    os.environ["MERCADOPAGO_WEBHOOK_SECRET"] = WEBHOOK_SECRET
    with running("ours", url, secret) as subject:
        requests = operation.requests(url, secret)
        attack = load.Attack(subject.port, b"", requests, [b""], operation.clients, PROCESSES, WARM_SECONDS, SECONDS)
        servers = processes.tree(subject.pid)
        spied = _Spy(max(servers, key=lambda pid: processes.cpu_seconds([pid])))
        backends = _backends(url)
        before = processes.cpu_seconds(servers), processes.cpu_seconds(backends)
        outcome = load.run(attack)
        backends = sorted({*backends, *_backends(url)})
        done = sum(outcome.statuses.values())
        server, database = processes.cpu_seconds(servers) - before[0], processes.cpu_seconds(backends) - before[1]
        if set(outcome.statuses) != {operation.status}:
            raise SystemExit(f"{dict(outcome.statuses)}\n{outcome.sample[-800:].decode('latin-1')}")
        print(
            f"{outcome.rate:,.0f}/s with {operation.clients} clients, p50 {outcome.percentile(0.5):.2f} ms, p99"
            f" {outcome.percentile(0.99):.2f} ms; processor {server / done * 1e6:.0f} us server,"
            f" {database / done * 1e6:.0f} us database",
            flush=True,
        )
        spied.show()


def _backends(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        asked = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [row[0] for row in connection.execute(asked)]


class _Spy:
    """py-spy beside one process, if there is one."""

    def __init__(self, pid: int) -> None:
        found = os.environ.get("PY_SPY") or shutil.which("py-spy")
        self.path = Path(tempfile.mkdtemp()) / "stacks"
        words = ["--pid", str(pid), "--rate", str(SAMPLES_A_SECOND), "--duration", str(int(SECONDS)), "--nonblocking"]
        kinds = ["--format", "raw", "--output", str(self.path)]
        self.process = found and subprocess.Popen(
            [found, "record", *words, *kinds], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def show(self) -> None:
        """By package what it does itself, and the functions of ours by what is done within them."""
        if not self.process:
            print("   py-spy was not found: no functions")
            return
        self.process.wait(60)
        packages: Counter[str] = Counter()
        within: Counter[str] = Counter()
        for line in self.path.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            frames = stack.split(";")
            packages[_package(frames[-1])] += int(count)
            within.update({frame: int(count) for frame in set(frames)})
        whole = sum(packages.values()) or 1
        print("   itself: " + ", ".join(f"{name} {n / whole:.0%}" for name, n in packages.most_common(9)))
        ours = [(frame, n) for frame, n in within.most_common() if "(app/" in frame or "(src/app" in frame]
        for frame, number in ours[:SHOWN]:
            print(f"   {number / whole:6.1%} within {frame}")


def _package(frame: str) -> str:
    path = re.search(r"\((?:.*?site-packages/|.*?src/)?([\w.-]+)", frame)
    return path.group(1).removesuffix(".py") if path else frame


async def alone(url: str, secret: str, operation: Operation) -> None:
    """One request after the other, the last with its statements; then one with its allocations."""
    seen: list[str] = []
    _explain_everything(seen)
    os.environ.update(
        UNTHROTTLED | {"LOG_LEVEL": "error", "DATABASE_URL": url, "DATABASE_ADMIN_URL": "", "SECRET_KEY": secret}
    )
    app = create_app()
    async with app.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as to:
        requests = [_parsed(each) for each in operation.requests(url, secret)[: 2 * ALONE]]
        for each in requests[:ALONE]:
            seen.clear()
            answer = await to.request(**each)
            if answer.status_code != operation.status:
                raise SystemExit(f"{answer.status_code} {answer.text}")
        statements = list(seen)
        tracemalloc.start()
        peaks = [await _peak(to, each) for each in requests[ALONE:]]
        tracemalloc.stop()
    print(f"   at once allocated at most: {sorted(peaks)[len(peaks) // 2] / 1024:.0f} KiB")
    times = [float(found.group(1)) for each in statements if (found := re.search(r"duration: ([\d.]+) ms", each))]
    print(f"   {len(times)} statements, {sum(times):.2f} ms with EXPLAIN ANALYZE")
    for each, taken in zip(statements, times, strict=True):
        text = " ".join(each.partition("Query Text: ")[2].split())
        print(f"   {taken:7.2f} ms {text[:110]}")
        if os.environ.get("PLANS"):
            print(each)


async def _peak(to: httpx.AsyncClient, request: dict[str, Any]) -> int:
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    await to.request(**request)
    return tracemalloc.get_traced_memory()[1] - before


def _parsed(request: bytes) -> dict[str, Any]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    return {"method": method, "url": path, "headers": dict(line.split(": ", 1) for line in lines), "content": body}


def _explain_everything(seen: list[str]) -> None:
    """Have the server tell each connection of this process how it answered."""
    connect = asyncpg.connect

    async def explained(*args: Any, **options: Any) -> asyncpg.Connection:
        connection = await connect(*args, **options)
        connection.add_log_listener(lambda _connection, message: seen.append(message.message))
        await connection.execute("LOAD 'auto_explain'")
        for setting in ("log_min_duration = 0", "log_level = 'notice'", "log_analyze = on", "log_timing = off"):
            await connection.execute(f"SET auto_explain.{setting}")
        seen.clear()
        return connection

    asyncpg.connect = explained


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
