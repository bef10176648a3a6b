"""One worker and the sandbox: how soon the first push arrives, how many arrive in a second, what the worker holds."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench.audience import figure
from bench.audience_dataset import LARGE, SMALL, forget, pause
from bench.plan import ROOT, VAR
from bench.processes import cpu_seconds

GAP_SECONDS, AHEAD_SECONDS, WAIT_SECONDS = 0.31, 3.0, 300.0
SETTLE_SECONDS = 3.0
STORE_OF = {LARGE: 1, SMALL: 2}
# Eight people live so near the third store: the worker is not busy with another promotion's crowd.
QUIET_STORE, FEW_METRES = 3, 400


@contextmanager
def _program(name: str, *words: str, **settings: str) -> Iterator[int]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "DATABASE_ADMIN_URL": "", "APP_ENV": "development"}
    VAR.mkdir(parents=True, exist_ok=True)
    with (VAR / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=environment | settings, stdout=log, stderr=log
        )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


@contextmanager
def _sandbox() -> Iterator[dict[str, str]]:
    """A sandbox of its own; the settings that lead a worker to it."""
    port = _free_port()
    with _program("sandbox", "sandbox", SANDBOX_PORT=port, SMTP_PORT=_free_port()):
        url = f"http://127.0.0.1:{port}"
        _until(lambda: _answers(f"{url}/pushes.json"), "the sandbox's start")
        yield {
            "FCM_BASE_URL": f"{url}/fcm",
            "GOOGLE_SERVICE_ACCOUNT_FILE": str(ROOT / "var" / "sandbox" / f"service-account-{port}.json"),
            "url": url,
        }
        Path(ROOT / "var" / "sandbox" / f"service-account-{port}.json").unlink(missing_ok=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _until(done: Any, what: str) -> None:
    last = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > last:
            raise SystemExit(f"waited {WAIT_SECONDS:.0f} s in vain for {what}")
        time.sleep(0.25)


@contextmanager
def _worker(url: str, secret: str, settings: dict[str, str]) -> Iterator[int]:
    """The worker's process id, once it is idle. No daily cap stands in the way of a hundred promotions."""
    extra = {name: value for name, value in settings.items() if name != "url"}
    with _program(
        "worker", "app", "jobs", "worker", DATABASE_URL=url, SECRET_KEY=secret, PUSH_DAILY_CAP="1000", **extra
    ) as pid:
        _until(lambda: _ask(url, "SELECT count(*) FROM procrastinate_workers") > 0, "the worker's start")
        time.sleep(SETTLE_SECONDS)
        yield pid


def _ask(url: str, question: str, *values: Any) -> Any:
    with psycopg.connect(url) as connection:
        row = connection.execute(question, values).fetchone()
    return row[0] if row else None


def _start_promo(url: str, store: int, ahead: float, radius: int = 2000) -> int:
    """A promotion of a store that starts so soon, with its job as the application leaves it."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "INSERT INTO flash_promo (store_product_id, pool_id, starts_at, ends_at, discount_percent, radius_m)"
            " SELECT id, pool_id, clock_timestamp() + make_interval(secs => %s), now() + interval '1 day', 20, %s"
            "   FROM store_product WHERE store_id = %s RETURNING id",
            [ahead, radius, store],
        ).fetchone()
        promo = int(row[0]) if row else 0
        connection.execute(
            "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('default', 'notify_promo', 0, NULL, NULL,"
            " jsonb_build_object('promo_id', id), starts_at)::procrastinate_job_to_defer_v1])"
            "  FROM flash_promo WHERE id = %s",
            [promo],
        )
    return promo


def measure(url: str, secret: str, promos: int) -> list[dict[str, Any]]:
    """Rows of the result."""
    with ExitStack() as stack:
        stack.callback(forget, url)
        stack.callback(pause, url, paused=False)
        pause(url, paused=True)
        forget(url)
        _ask(url, "WITH gone AS (DELETE FROM procrastinate_workers RETURNING 1) SELECT count(*) FROM gone")
        settings = stack.enter_context(_sandbox())
        with _worker(url, secret, settings):
            rows = [_latency(url, settings["url"], promos)]
        small, _, _ = _campaign(url, secret, settings, SMALL)
        large, rate, cost = _campaign(url, secret, settings, LARGE)
    scenario = "pushes, one worker"
    memory = "MB of the worker at most with 50,000 to tell, beside 1,000"
    flat = figure(scenario, memory, large, [large / small], most=None)
    return [
        *rows,
        figure(scenario, f"pushes/s, {LARGE:,} from the start to the last", rate, [rate], least=500),
        figure(scenario, "us of the worker's processor time a push", cost, [cost]),
        flat | {"other": small, "ratio": round(large / small, 3), "most": 1.25, "met": large <= 1.25 * small},
    ]


def _latency(url: str, sandbox: str, count: int) -> dict[str, Any]:
    """Promotions that start one after the other; the slowest first push of a hundred."""
    ids = [_start_promo(url, QUIET_STORE, AHEAD_SECONDS + number * GAP_SECONDS, FEW_METRES) for number in range(count)]
    starts = {promo: _ask(url, "SELECT starts_at FROM flash_promo WHERE id = %s", promo) for promo in ids}
    first: dict[int, float] = {}

    def arrived() -> bool:
        for push in httpx.get(f"{sandbox}/pushes.json").json():
            promo = int(push["data"]["promo_id"])
            after = (datetime.fromisoformat(push["sent_at"]) - starts[promo]).total_seconds()
            first[promo] = min(first.get(promo, after), after)
        return set(ids) <= set(first)

    time.sleep(AHEAD_SECONDS + count * GAP_SECONDS + 1)
    _until(arrived, "the first push of every promotion")
    slow = sorted(first[promo] for promo in ids)
    p99 = slow[min(int(count * 0.99), count - 1)]
    print(f"   from the start to the first push: median {slow[count // 2]:.2f} s, p99 {p99:.2f} s", flush=True)
    return figure("pushes, one worker", f"s from the start to the first push, p99 of {count}", p99, slow, most=1)


def _campaign(url: str, secret: str, settings: dict[str, str], size: int) -> tuple[float, float, float]:
    """A worker that tells one audience, everybody with a device.

    Its greatest memory in MB, pushes a second, and microseconds of its processor time a push.
    """
    with _worker(url, secret, settings) as pid:
        idle = cpu_seconds([pid])
        promo = _start_promo(url, STORE_OF[size], 1.0)
        sent = "SELECT count(*) FROM push_log WHERE promo_id = %s AND state NOT IN ('waiting', 'sending')"
        _until(lambda: _ask(url, sent, promo) == size, f"{size:,} pushes")
        memory, cost = _peak_mb(pid), (cpu_seconds([pid]) - idle) / size * 1e6
    good = _ask(url, "SELECT count(*) FROM push_log WHERE promo_id = %s AND state = 'sent'", promo)
    if good != size:
        raise SystemExit(f"{good:,} of {size:,} pushes were sent")
    seconds = _ask(
        url,
        "SELECT extract(epoch FROM max(sent_at) - min(starts_at))::float8 FROM push_log l, flash_promo p"
        " WHERE p.id = %s AND l.promo_id = p.id",
        promo,
    )
    print(f"   {size:,} pushes: {size / seconds:.0f}/s, {cost:.0f} us each, {memory:.0f} MB", flush=True)
    return memory, size / seconds, cost


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
