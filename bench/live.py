"""Watchers of one promotion on one process: memory a listener, and how far behind they are while units are held.

    PYTHONPATH=src:. python -m bench.live --dsn postgresql://... [--listeners 1000] [--seconds 20]

The database is one of its own, migrated and empty; what it writes is a store, a promotion and its buyers' holds. Each
watcher is a socket of its own. A hold is timed from before its request to the frame that shows it, by the watcher that
is told last.
"""

import argparse
import asyncio
import os
import re
import resource
import socket
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from tests.promos.market import Market

from app.settings import RATES, Settings, load_settings

ROOT = Path(__file__).resolve().parents[1]
SECRET = "only-for-measuring-0123456789abcdef-0123456789"  # noqa: S105 - a database of the run's own
UNITS = 100_000


class Crowd:
    """Sockets that read frames and note what they saw when."""

    def __init__(self) -> None:
        self.left: list[int] = []
        self.seen: dict[int, list[float]] = {}
        self.frames = 0
        # A writer that nobody has closes its connection.
        self.writers: list[asyncio.StreamWriter] = []

    async def join(self, port: int, promo: int, place: int) -> asyncio.Task[None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.writers.append(writer)
        writer.write(f"GET /promos/{promo}/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        await writer.drain()
        first = await reader.readuntil(b"\n\n")
        if b"HTTP/1.1 200" not in first:
            raise RuntimeError(first.decode())
        self.left.append(UNITS)
        return asyncio.create_task(self._read(reader, place))

    async def _read(self, reader: asyncio.StreamReader, place: int) -> None:
        while True:
            frame = await reader.readuntil(b"\n\n")
            self.frames += 1
            found = re.search(rb'"units_left":(\d+)', frame)
            if found:
                self.left[place] = int(found[1])
                self.seen.setdefault(int(found[1]), []).append(time.monotonic())


def memory_of(pid: int) -> float:
    """Megabytes resident."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024


async def measure(dsn: str, listeners: int, seconds: float) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, listeners * 2 + 500)), hard))
    unthrottled = {f"THROTTLE_{scope.upper()}": "off" for scope in RATES}
    environ = {
        "DATABASE_URL": dsn,
        "SECRET_KEY": SECRET,
        "LIVE_PER_ADDRESS": str(listeners + 10),
        "LOG_LEVEL": "warning",
        **unthrottled,
    }
    settings = load_settings(environ, env_file=Path(os.devnull))
    engine = create_async_engine(settings.sqlalchemy_url)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        port = listener.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.races.api_process", str(listener.fileno())),
            cwd=ROOT,
            env={**os.environ, **environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            pass_fds=[listener.fileno()],
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                await run(client, engine_sessions(engine), settings, (process.pid, port, listeners, seconds))
        finally:
            process.terminate()
            await process.wait()
            await engine.dispose()


def engine_sessions(engine: Any) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, expire_on_commit=False)


async def run(
    client: httpx.AsyncClient,
    sessions: async_sessionmaker[AsyncSession],
    settings: Settings,
    plan: tuple[int, int, int, float],
) -> None:
    pid, port, listeners, seconds = plan
    async with sessions() as db:
        market = Market(client, db, settings)
        promo = await market.promo(await market.item(stock=UNITS), max_units=UNITS)
        buyers = [await market.buyer() for _ in range(200)]
        await market.hold(buyers.pop(), promo)  # so that what a first hold makes is there
        before = memory_of(pid)
        crowd = Crowd()
        tasks = []
        for start in range(0, listeners, 100):
            joined = (crowd.join(port, promo, place) for place in range(start, min(start + 100, listeners)))
            tasks += await asyncio.gather(*joined)
        await asyncio.sleep(1)
        after = memory_of(pid)
        behind = []
        until, left = time.monotonic() + seconds, UNITS - 1
        while time.monotonic() < until and buyers:
            begun = time.monotonic()
            await market.hold(buyers.pop(), promo)
            left -= 1
            while len(crowd.seen.get(left, [])) < listeners and time.monotonic() - begun < 10:
                await asyncio.sleep(0.005)
            behind.append(max(crowd.seen.get(left, [begun + 10])) - begun)
        for task in tasks:
            if task.done():
                task.result()
            task.cancel()
        print(f"{listeners} listeners: {before:.0f} MB before, {after:.0f} MB with them, {after - before:.1f} MB more")
        print(f"holds {len(behind)}, frames {crowd.frames}; the last listener sees a hold after:")
        worst = sorted(behind)[int(len(behind) * 0.99)]
        print(
            f"median {statistics.median(behind) * 1000:.0f} ms, p99 {worst * 1000:.0f}, most {max(behind) * 1000:.0f}"
        )
        print(f"resident at the end {memory_of(pid):.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    asyncio.run(measure(given.dsn, given.listeners, given.seconds))
