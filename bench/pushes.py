"""One worker and the sandbox: how soon the first push arrives, how many arrive in a second, what the worker holds."""

import time
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import httpx
import psycopg

from bench.audience_dataset import Audiences
from bench.context import Bench
from bench.processes import cpu_seconds
from bench.programs import ask, peak_mb, until, workers
from bench.rows import Row, row

GAP_SECONDS, AHEAD_SECONDS = 0.31, 3.0
# Eight people live so near the third store: the worker is not busy with another promotion's crowd.
QUIET_STORE, FEW_METRES = 3, 400
WHOLE_METRES = 2000
SCENARIO = "pushes, one worker"
MOST_SECONDS, LEAST_A_SECOND, MOST_GROWTH = 1, 500, 1.25
SENT = "SELECT count(*) FROM push_log WHERE promo_id = %s AND state NOT IN ('waiting', 'sending')"


def start_promo(url: str, store: int, ahead: float, radius: int = WHOLE_METRES, *, job: bool = True) -> int:
    """A promotion of a store that starts so soon, with its job as the application leaves it."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "INSERT INTO flash_promo (store_product_id, pool_id, starts_at, ends_at, discount_percent, radius_m)"
            " SELECT id, pool_id, clock_timestamp() + make_interval(secs => %s), now() + interval '1 day', 20, %s"
            "   FROM store_product WHERE store_id = %s RETURNING id",
            [ahead, radius, store],
        ).fetchone()
        promo = int(found[0]) if found else 0
        if job:
            connection.execute(
                "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW('default', 'notify_promo', 0, NULL, NULL,"
                " jsonb_build_object('promo_id', id), starts_at)::procrastinate_job_to_defer_v1])"
                "  FROM flash_promo WHERE id = %s",
                [promo],
            )
    return promo


def measure(part: str, bench: Bench, url: str, audiences: Audiences, settings: dict[str, str]) -> list[Row]:
    """Rows of the result."""
    secret, promos = bench.secret, bench.mode.promos
    with ExitStack() as stack:
        stack.enter_context(workers(url, secret, settings))
        slow = _latency(url, settings["url"], promos)
    small, _, _ = _campaign(url, secret, settings, audiences, 2)
    large, rate, cost = _campaign(url, secret, settings, audiences, 1)
    told, few = f"{audiences.large:,}", f"{audiences.small:,}"
    p99 = sorted(slow)[min(int(promos * 0.99), promos - 1)]
    memory = f"MB of the worker at most with {told} to tell, beside {few}"
    return [
        row(part, SCENARIO, f"s from the start to the first push, the slowest of {promos}", [p99], most=MOST_SECONDS)
        | {"spread": [round(min(slow), 3), round(max(slow), 3)]},
        row(part, SCENARIO, f"pushes/s, {told} from the start to the last", [rate], least=LEAST_A_SECOND),
        row(part, SCENARIO, "us of the worker's processor time a push", [cost]),
        row(part, SCENARIO, memory, [large], limit=[small], ratios=[large / small], most=MOST_GROWTH),
    ]


def _latency(url: str, sandbox: str, count: int) -> list[float]:
    """Promotions that start one after the other: the seconds until the first push of each."""
    ids = [start_promo(url, QUIET_STORE, AHEAD_SECONDS + number * GAP_SECONDS, FEW_METRES) for number in range(count)]
    starts = {promo: ask(url, "SELECT starts_at FROM flash_promo WHERE id = %s", promo) for promo in ids}
    first: dict[int, float] = {}

    def arrived() -> bool:
        for push in httpx.get(f"{sandbox}/pushes.json").json():
            promo = int(push["data"]["promo_id"])
            if promo in starts:
                after = (datetime.fromisoformat(push["sent_at"]) - starts[promo]).total_seconds()
                first[promo] = min(first.get(promo, after), after)
        return set(ids) <= set(first)

    time.sleep(AHEAD_SECONDS + count * GAP_SECONDS + 1)
    until(arrived, "the first push of every promotion")
    slow = sorted(first[promo] for promo in ids)
    print(f"   from the start to the first push: median {slow[count // 2]:.2f} s, at most {slow[-1]:.2f} s", flush=True)
    return slow


def _campaign(
    url: str, secret: str, settings: dict[str, str], audiences: Audiences, store: int
) -> tuple[float, float, float]:
    """A worker that tells one audience, everybody with a device.

    Its greatest memory in MB, pushes a second, and microseconds of its processor time a push.
    """
    size = audiences.sizes[store]
    with workers(url, secret, settings) as (pid,):
        idle = cpu_seconds([pid])
        promo = start_promo(url, store, 1.0)
        until(lambda: ask(url, SENT, promo) == size, f"{size:,} pushes")
        memory, cost = peak_mb(pid), (cpu_seconds([pid]) - idle) / size * 1e6
    seconds = finished(url, promo, size)
    print(f"   {size:,} pushes: {size / seconds:.0f}/s, {cost:.0f} us each, {memory:.0f} MB", flush=True)
    return memory, size / seconds, cost


def finished(url: str, promo: int, size: int, begun: Any = None) -> float:
    """Seconds from a promotion's start, or from `begun`, to its last push. Raises SystemExit unless all were sent."""
    good = ask(url, "SELECT count(*) FROM push_log WHERE promo_id = %s AND state = 'sent'", promo)
    if good != size:
        raise SystemExit(f"{good:,} of {size:,} pushes were sent")
    return float(
        ask(
            url,
            "SELECT extract(epoch FROM max(l.sent_at) - COALESCE(%s::timestamptz, min(p.starts_at)))::float8"
            "  FROM push_log l JOIN flash_promo p ON p.id = l.promo_id WHERE p.id = %s",
            begun,
            promo,
        )
    )
