"""MercadoPago's notifications: verified, kept, and left to a job, each an own payment's. Nothing is looked up there."""

import secrets
import statistics
import time
from collections.abc import Sequence

import msgspec
import psycopg

from app.clients.mercadopago_signature import Signed, sign
from bench import dataset, load, processes
from bench.context import Bench
from bench.plan import PROCESSES, Mode
from bench.rows import Row, row
from bench.subjects import Subject, running

PART = "webhooks"
PATH = "/api/payments/"
CLIENTS = 32
LEAST_A_SECOND, MOST_MS = 2000, 50
# More than a round can take.
MOST = 60_000
SETTING = "MERCADOPAGO_WEBHOOK_SECRET"
SCENARIO = "webhook accepted: verified, kept, a job deferred"


def measure(bench: Bench) -> list[Row]:
    """Rows of the result. Raises SystemExit for an answer that is no 200, and unless each is kept and has its job."""
    url, key, mode = bench.database(), secrets.token_hex(32), bench.mode
    outcomes, costs, log = [], [], []
    with running("ours", url, bench.secret, **{SETTING: key}) as subject:
        for number in range(mode.rounds):
            forget(url)
            servers, before = processes.tree(subject.pid), dataset.log_position(url)
            spent = processes.cpu_seconds(servers)
            outcome = attack(url, key, subject, mode)
            done = sum(outcome.statuses.values())
            costs.append((processes.cpu_seconds(servers) - spent) / done * 1e6)
            log.append((dataset.log_position(url) - before) / done)
            outcomes.append(outcome)
            print(f"{number + 1:2} {outcome.rate:.0f}/s, p99 {outcome.percentile(0.99):.1f} ms", flush=True)
    rates, slow = [each.rate for each in outcomes], [each.percentile(0.99) for each in outcomes]
    more = {"clients": CLIENTS, "wal_bytes": round(statistics.median(log))}
    return [
        row(PART, SCENARIO, "answers/s, two processes", rates, least=LEAST_A_SECOND, **more),
        row(PART, SCENARIO, "ms, p99", slow, most=MOST_MS, **more),
        row(PART, SCENARIO, "us of the server's processor time", costs, **more),
    ]


def forget(url: str) -> None:
    """No notification, no job."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE payment_notification, procrastinate_jobs, procrastinate_events CASCADE")
        connection.execute("CHECKPOINT")


def attack(url: str, key: str, subject: Subject, mode: Mode, clients: int = CLIENTS) -> load.Outcome:
    """Load, and check that every answer has a row and a job."""
    before = kept(url)
    processes_of_clients = min(PROCESSES, clients)
    outcome = load.run(
        load.Attack(
            port=subject.port,
            head=f"POST {PATH}?type=payment&data.id=".encode(),
            tokens=requests(key, MOST),
            tails=[b""],
            clients=clients,
            processes=processes_of_clients,
            warm_seconds=mode.warm_seconds,
            seconds=mode.seconds,
        )
    )
    if set(outcome.statuses) != {200} or outcome.exhausted:
        raise SystemExit(f"answers: {dict(outcome.statuses)}\n{outcome.sample[-600:].decode('latin-1')}")
    after = kept(url)
    if {a - b for a, b in zip(after, before, strict=True)} != {outcome.statuses[200]}:
        raise SystemExit(f"{outcome.statuses[200]} answers, notifications and jobs from {before} to {after}")
    return outcome


def kept(url: str) -> tuple[int, int]:
    """Notifications in the inbox, and jobs that will look at them."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM payment_notification),"
            " (SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'payments:apply_event')"
        ).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)


def requests(key: str, count: int) -> Sequence[bytes]:
    """Each after the address's beginning, signed as MercadoPago signs."""
    now, first = str(int(time.time())), secrets.randbelow(10**9) * 10**6
    return [_request(key, str(first + n), f"bench-{first + n}", now) for n in range(count)]


def _request(key: str, payment: str, request_id: str, now: str) -> bytes:
    body = msgspec.json.encode({"action": "payment.updated", "type": "payment", "data": {"id": payment}})
    signature = sign(key, Signed(payment, request_id), now)
    head = (
        f"{payment} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nx-request-id: {request_id}\r\n"
        f"x-signature: ts={now},v1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
