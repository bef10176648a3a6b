"""What fifty clients that log in all the time do to everybody else's requests."""

import statistics
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec
import psycopg
from argon2 import PasswordHasher

from app.domain.accounts.service.passwords import LANES, MEMORY_KIB, PASSES
from bench import load
from bench.audience import figure
from bench.plan import Mode
from bench.subjects import Subject, running

PART = "logins"
CLIENTS, OTHERS = 50, 2
PEOPLE = 200
PASSWORD = "only-for-the-bench"  # noqa: S105 - nobody's
MOST_TIMES = 1.5
Row = dict[str, Any]


def measure(url: str, secret: str, mode: Mode) -> list[Row]:
    """Rows of the result: a request's time beside logins, in parts of its time without them; pairs of rounds."""
    _give_passwords(url)
    ratios: dict[str, list[float]] = {"mean": [], "p95": []}
    alone: list[float] = []
    logins: list[float] = []
    with running("ours", url, secret) as subject, ThreadPoolExecutor(1) as beside:
        for number in range(mode.rounds):
            quiet = load.run(_others(subject, mode))
            busy: Future[load.Outcome] = beside.submit(load.run, _logins(subject, mode))
            loud = load.run(_others(subject, mode))
            done = busy.result()
            _expect_answers(quiet, loud, done)
            ratios["mean"].append(_mean(loud) / _mean(quiet))
            ratios["p95"].append(loud.percentile(0.95) / quiet.percentile(0.95))
            alone.append(_mean(quiet) * 1000)
            logins.append(done.rate)
            print(
                f"{number + 1:2} alone {_mean(quiet) * 1000:.2f} ms, beside {done.rate:.0f} logins/s"
                f" {_mean(loud) * 1000:.2f} ms: {ratios['mean'][-1]:.2f} times",
                flush=True,
            )
    scenario = f"a request beside {CLIENTS} clients that log in"
    return [
        _row(scenario, "ms, in parts of its time without them", alone, ratios["mean"], most=MOST_TIMES),
        _row(scenario, "95th percentile, likewise", alone, ratios["p95"], most=None),
        figure(scenario, "logins/s meanwhile", statistics.median(logins), logins) | {"part": PART},
    ]


def _row(scenario: str, unit: str, ours: Sequence[float], ratios: Sequence[float], *, most: float | None) -> Row:
    ratio = statistics.median(ratios)
    row = figure(scenario, unit, statistics.median(ours), ratios, most=most)
    return row | {"part": PART, "ratio": round(ratio, 3), "met": None if most is None else ratio <= most}


def _mean(outcome: load.Outcome) -> float:
    return statistics.fmean(outcome.latencies)


def _expect_answers(*outcomes: load.Outcome) -> None:
    for outcome in outcomes:
        if set(outcome.statuses) != {200}:
            raise SystemExit(f"answers: {dict(outcome.statuses)}\n{outcome.sample[-600:].decode('latin-1')}")


def _others(subject: Subject, mode: Mode) -> load.Attack:
    """Somebody who reads the list of categories, one request after the other."""
    head = b"GET /api/categories/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    return load.Attack(subject.port, head, [b""] * 1_000_000, [b""], OTHERS, 1, mode.warm_seconds, mode.seconds)


def _logins(subject: Subject, mode: Mode) -> load.Attack:
    """As long as the others' round, and a little longer at both ends."""
    head = b"POST /api/auth/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    bodies = [msgspec.json.encode({"username": f"buyer{n}", "password": PASSWORD}) for n in range(1, PEOPLE + 1)]
    tails = [b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]
    return load.Attack(subject.port, head, [b""] * 200_000, tails, CLIENTS, 1, mode.warm_seconds, mode.seconds)


def _give_passwords(url: str) -> None:
    """One hash for all of them, made as the application makes it."""
    hashed = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES).hash(PASSWORD)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE users SET password_hash = %s WHERE id <= %s", [hashed, PEOPLE])
