"""Orders of three lines beside the peer's: on products of their own, and on one that everybody wants. Paired rounds."""

from dataclasses import replace

import msgspec
import psycopg

from bench import load
from bench.context import Bench
from bench.plan import PROCESSES, PROMOS, UNITS, Mode
from bench.rounds import tokens_of
from bench.rows import Row, row, shares
from bench.subjects import Subject, all_running

PART = "orders"
PATH = "/api/orders/"
CLIENTS = 32
# The least ratios to the peer's rate.
LEAST = {"three lines, distinct products": 8.0, "three lines, one of them hot": 10.0}
# The peer's threads are what it does more with where it waits for rows.
PEER = "peer-gthread"


def measure(bench: Bench) -> list[Row]:
    """Rows of the result. Raises SystemExit for an answer that is no order, and when units are lost."""
    url, mode, rows = bench.database(), bench.mode, []
    with all_running(("ours", PEER), url, bench.secret) as running:
        subjects = [replace(subject, path=PATH) for subject in running]
        for scenario, least in LEAST.items():
            found: dict[str, list[load.Outcome]] = {subject.name: [] for subject in subjects}
            for number in range(mode.rounds):
                for subject in subjects:
                    found[subject.name].append(attack(url, bench.secret, subject, mode, hot="hot" in scenario))
                last = {name: of[-1] for name, of in found.items()}
                told = " | ".join(f"{name} {o.rate:.0f}/s p99 {o.percentile(0.99):.0f} ms" for name, o in last.items())
                print(f"{scenario} {number + 1:2} {told} | {last['ours'].rate / last[PEER].rate:.1f}x", flush=True)
            rows += _rows(f"order of {scenario}", found["ours"], found[PEER], least)
    return rows


def attack(url: str, secret: str, subject: Subject, mode: Mode, *, hot: bool) -> load.Outcome:
    """Reset, load, check that every 201 is an order and every unit is where it should be."""
    reset(url)
    outcome = load.run(attack_of(secret, subject, mode, hot=hot))
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


def attack_of(secret: str, subject: Subject, mode: Mode, *, hot: bool) -> load.Attack:
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer "
    return load.Attack(
        port=subject.port,
        head=head.encode(),
        tokens=tokens_of(secret, mode.users),
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
        connection.execute("TRUNCATE orders, activity_log, procrastinate_jobs, throttle, event_outbox, events CASCADE")
        connection.execute("DELETE FROM stock_ledger WHERE pool_id > %s", [PROMOS])
        connection.execute("UPDATE stock_slot SET available = %s WHERE pool_id > %s", [UNITS, PROMOS])
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _rows(scenario: str, ours: list[load.Outcome], theirs: list[load.Outcome], least: float) -> list[Row]:
    rates = [[each.rate for each in of] for of in (ours, theirs)]
    slow = [[each.percentile(0.99) for each in of] for of in (ours, theirs)]
    return [
        row(PART, scenario, "orders/s", rates[0], peer=rates[1], ratios=shares(*rates), clients=CLIENTS, least=least),
        row(PART, scenario, "ms, p99", slow[0], peer=slow[1], ratios=shares(*slow), clients=CLIENTS),
    ]
