"""Paired rounds: every subject in turn, again and again, so that a noisy minute is noisy for all of them."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from app.domain.accounts import tokens
from bench import dataset, load, processes
from bench.plan import PROCESSES, USERS, Mode, Scenario
from bench.subjects import Subject


@dataclass(frozen=True)
class Round:
    """One subject's figures in one round. Processor time in microseconds an answer: server, database, clients."""

    rate: float
    p50_ms: float
    p99_ms: float
    server_us: float
    database_us: float
    client_us: float
    # Which part of the machine's time was used by whomever: far above the sum of ours means a noisy neighbour.
    busy: float
    # Bytes of the write-ahead log an answer.
    wal_bytes: float


def attack(url: str, secret: str, subject: Subject, scenario: Scenario, mode: Mode) -> Round:
    """Reset, load, check that every 201 is a hold and no unit was lost."""
    dataset.reset(url, slots=subject.slots)
    servers, database = processes.tree(subject.pid), backends(url)
    before = processes.cpu_seconds(servers), processes.cpu_seconds(database), processes.machine_ticks()
    log = dataset.log_position(url)
    outcome = load.run(attack_of(secret, subject, scenario, mode))
    done = sum(outcome.statuses.values())
    database = sorted({*database, *backends(url)})
    _check(url, subject, outcome)
    return Round(
        rate=outcome.rate,
        p50_ms=outcome.percentile(0.50),
        p99_ms=outcome.percentile(0.99),
        server_us=(processes.cpu_seconds(servers) - before[0]) / done * 1e6,
        database_us=(processes.cpu_seconds(database) - before[1]) / done * 1e6,
        client_us=outcome.cpu_seconds / done * 1e6,
        busy=processes.busy_share(before[2], processes.machine_ticks()),
        wal_bytes=(dataset.log_position(url) - log) / done,
    )


def _check(url: str, subject: Subject, outcome: load.Outcome) -> None:
    if outcome.exhausted:
        raise SystemExit(f"{subject.name} answered every request there was before its time was over: more users")
    if set(outcome.statuses) != {201}:
        sample = outcome.sample[-600:].decode("latin-1")
        raise SystemExit(f"{subject.name} answered {dict(outcome.statuses)}, the last of the others:\n{sample}")
    if subject.holds and (held := dataset.held(url)) != outcome.statuses[201]:
        raise SystemExit(f"{subject.name} said 201 {outcome.statuses[201]} times and holds {held}")


def attack_of(secret: str, subject: Subject, scenario: Scenario, mode: Mode) -> load.Attack:
    head = f"POST {subject.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return load.Attack(
        port=subject.port,
        head=f"{head}Authorization: Bearer ".encode(),
        # Where nothing is written a buyer may come again, so that a fast server does not run out of them.
        tokens=tokens_of(secret, mode.users) * (1 if subject.holds else 4),
        tails=[_tail(promo) for promo in range(1, scenario.promos + 1)],
        clients=scenario.clients,
        processes=PROCESSES,
        warm_seconds=mode.warm_seconds,
        seconds=mode.seconds,
    )


def _tail(promo: int) -> bytes:
    body = f'{{"promo_id":{promo},"quantity":1}}'
    return f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


_minted: dict[str, Any] = {"until": 0.0, "tokens": []}


def tokens_of(secret: str, users: int = USERS) -> list[bytes]:
    """One for each buyer, minted again before they grow old."""
    now = int(time.time())
    if now > _minted["until"] or len(_minted["tokens"]) < users:
        _minted["tokens"] = [
            tokens.mint(secret, tokens.ACCESS, user_id=user, version=0, jti=uuid4(), now=now).encode()
            for user in range(1, users + 1)
        ]
        _minted["until"] = now + tokens.LIFETIME_SECONDS[tokens.ACCESS] // 2
    return list(_minted["tokens"][:users])


def backends(url: str) -> list[int]:
    """The database's processes that serve the benchmark's database."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s", [urlsplit(url).path.lstrip("/")]
        )
        return [row[0] for row in found]
