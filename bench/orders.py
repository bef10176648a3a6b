"""Orders of three lines beside the peer's: on products of their own, and on one that everybody wants. Paired rounds."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import psycopg

from bench import load
from bench.audience import figure
from bench.plan import PROCESSES, PROMOS, UNITS, Mode
from bench.rounds import tokens_of
from bench.subjects import Subject, all_running

PART = "orders"
PATH = "/api/orders/"
CLIENTS = 32
# The least ratios to the peer's rate.
LEAST = {"three lines, distinct products": 6.0, "three lines, one of them hot": 10.0}
Row = dict[str, Any]


def measure(url: str, secret: str, peer: str, mode: Mode) -> list[Row]:
    """Rows of the result. Raises SystemExit for an answer that is no order, and when units are lost."""
    rows = []
    with all_running(("ours", peer), url, secret) as running:
        subjects = [replace(subject, path=PATH) for subject in running]
        for scenario, least in LEAST.items():
            rates: dict[str, list[float]] = {subject.name: [] for subject in subjects}
            slow: dict[str, list[float]] = {subject.name: [] for subject in subjects}
            for number in range(mode.rounds):
                for subject in subjects:
                    outcome = attack(url, secret, subject, mode, hot="hot" in scenario)
                    rates[subject.name].append(outcome.rate)
                    slow[subject.name].append(outcome.percentile(0.99))
                last = " | ".join(f"{name} {of[-1]:.0f}/s p99 {slow[name][-1]:.0f} ms" for name, of in rates.items())
                print(f"{scenario} {number + 1:2} {last} | {rates['ours'][-1] / rates[peer][-1]:.1f}x", flush=True)
            rows.append(_row(scenario, rates["ours"], rates[peer], least))
    return rows


def attack(url: str, secret: str, subject: Subject, mode: Mode, *, hot: bool) -> load.Outcome:
    """Reset, load, check that every 201 is an order and every unit is where it should be."""
    reset(url)
    outcome = load.run(_attack(secret, subject, mode, hot=hot))
    if set(outcome.statuses) != {201}:
        raise SystemExit(f"{subject.name}: {dict(outcome.statuses)}\n{outcome.sample[-600:].decode('latin-1')}")
    with psycopg.connect(url) as connection:
        orders, sold, free = connection.execute(
            "SELECT (SELECT count(*) FROM orders), (SELECT sum(quantity) FROM order_item),"
            " (SELECT sum(available) FROM stock_slot WHERE pool_id > %s)",
            [PROMOS],
        ).fetchone()
    if orders != outcome.statuses[201] or sold + free != UNITS * PROMOS:
        raise SystemExit(f"{subject.name}: {outcome.statuses[201]} answers, {orders} orders, {sold} + {free} units")
    return outcome


def _attack(secret: str, subject: Subject, mode: Mode, *, hot: bool) -> load.Attack:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer "
    return load.Attack(
        port=subject.port,
        head=head.encode(),
        tokens=tokens_of(secret),
        tails=[_tail(number, hot=hot) for number in range(PROMOS)],
        clients=CLIENTS,
        processes=PROCESSES,
        warm_seconds=mode.warm_seconds,
        seconds=mode.seconds,
    )


def _tail(number: int, *, hot: bool) -> bytes:
    """Three products, far from those of the requests that run beside it; or the hot one, and two of these."""
    products = [(number * 3 + place) % PROMOS + 1 for place in range(3)]
    if hot:
        products = [1, *(product % (PROMOS - 1) + 2 for product in products[:2])]
    body = msgspec.json.encode(
        {
            "recipient_name": "Ana Paz",
            "customer_email": "ana@example.com",
            "delivery_type": "pickup",
            "products_data": [{"product_id": product, "quantity": 1} for product in products],
        }
    )
    return b"\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def reset(url: str) -> None:
    """No order, all units free in the one row that a product of the catalogue has."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE orders, activity_log, procrastinate_jobs, throttle CASCADE")
        connection.execute("DELETE FROM stock_ledger WHERE pool_id > %s", [PROMOS])
        connection.execute("UPDATE stock_slot SET available = %s WHERE pool_id > %s", [UNITS, PROMOS])
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _row(scenario: str, ours: Sequence[float], theirs: Sequence[float], least: float) -> Row:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    row = figure(f"order of {scenario}", "orders/s", statistics.median(ours), ratios, least=least)
    other = round(statistics.median(theirs), 1)
    return row | {"part": PART, "other": other, "ratio": round(ratio, 3), "met": ratio >= least}
