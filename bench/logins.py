"""What clients that log in all the time do to everybody else's requests, and how much of a login is its hash."""

import statistics
import time
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import psycopg
from argon2 import PasswordHasher

from app.domain.accounts.service.passwords import LANES, MEMORY_KIB, PASSES
from bench import load, processes
from bench.context import Bench
from bench.plan import PROCESSES, Mode
from bench.rows import Row, row, shares
from bench.subjects import Subject, running

PART = "logins"
CLIENTS, OTHERS = 20, 2
PEOPLE = 200
PASSWORD = "only-for-the-bench"  # noqa: S105 - nobody's
MOST_TIMES = 1.5
# A login is bound by hashing when that is most of what it costs.
LEAST_OF_HASHING = 0.5
HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def measure(bench: Bench) -> list[Row]:
    """Rows of the result, in pairs of rounds."""
    url = bench.database()
    hashed = give_passwords(url)
    with running("ours", url, bench.secret) as subject:
        return _others_beside(subject, bench.mode) + _hashing(subject, hashed, bench.mode)


def give_passwords(url: str) -> str:
    """One hash for all of them, made as the application makes it."""
    hashed = HASHER.hash(PASSWORD)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE users SET password_hash = %s WHERE id <= %s", [hashed, PEOPLE])
    return hashed


def _others_beside(subject: Subject, mode: Mode) -> list[Row]:
    """A request's time beside logins, in parts of its time without them."""
    alone: list[load.Outcome] = []
    beside: list[load.Outcome] = []
    with ThreadPoolExecutor(1) as apart:
        for number in range(mode.rounds):
            quiet = load.run(_others(subject, mode))
            busy: Future[load.Outcome] = apart.submit(load.run, logins(subject, mode))
            loud = load.run(_others(subject, mode))
            done = busy.result()
            expect_answers(quiet, loud, done)
            alone.append(quiet)
            beside.append(loud)
            print(
                f"{number + 1:2} alone p99 {quiet.percentile(0.99):.2f} ms, beside {done.rate:.0f} logins/s"
                f" {loud.percentile(0.99):.2f} ms",
                flush=True,
            )
    scenario = f"a request beside {CLIENTS} clients that log in"
    slow = [[each.percentile(0.99) for each in of] for of in (beside, alone)]
    mean = [[statistics.fmean(each.latencies) * 1000 for each in of] for of in (beside, alone)]
    unit = "ms, p99, in parts of its p99 without them"
    return [
        row(PART, scenario, unit, slow[0], limit=slow[1], ratios=shares(*slow), clients=OTHERS, most=MOST_TIMES),
        row(PART, scenario, "ms, mean, likewise", mean[0], limit=mean[1], ratios=shares(*mean), clients=OTHERS),
    ]


def _hashing(subject: Subject, hashed: str, mode: Mode) -> list[Row]:
    """Logins beside bare hashing: by number, with a thread a core, and by processor time."""
    rates: dict[str, list[float]] = {"ours": [], "limit": []}
    costs: dict[str, list[float]] = {"ours": [], "limit": []}
    for _ in range(mode.rounds):
        servers = processes.tree(subject.pid)
        before = processes.cpu_seconds(servers)
        outcome = load.run(logins(subject, mode))
        expect_answers(outcome)
        done = sum(outcome.statuses.values())
        rates["ours"].append(outcome.rate)
        costs["ours"].append((processes.cpu_seconds(servers) - before) / done * 1e6)
        rate, cost = _bare(hashed, mode.seconds)
        rates["limit"].append(rate)
        costs["limit"].append(cost)
    bound = shares(costs["limit"], costs["ours"])
    unit = "us of the server's processor time, and that of the hash alone"
    return [
        row(
            PART,
            "login",
            "logins/s, beside bare hashing",
            **rates,
            ratios=shares(rates["ours"], rates["limit"]),
            clients=CLIENTS,
        ),
        row(PART, "login", unit, **costs, ratios=bound, clients=CLIENTS, least=LEAST_OF_HASHING),
    ]


def _bare(hashed: str, seconds: float) -> tuple[float, float]:
    """Checks of a password a second by a thread a core, and microseconds of processor time of each."""
    until, before, begun = time.monotonic() + seconds, time.process_time(), time.monotonic()

    def check() -> int:
        done = 0
        while time.monotonic() < until:
            HASHER.verify(hashed, PASSWORD)
            done += 1
        return done

    with ThreadPoolExecutor(PROCESSES) as threads:
        done = sum(each.result() for each in [threads.submit(check) for _ in range(PROCESSES)])
    return done / (time.monotonic() - begun), (time.process_time() - before) / done * 1e6


def expect_answers(*outcomes: load.Outcome) -> None:
    """Raises SystemExit unless every answer is a 200."""
    for outcome in outcomes:
        if set(outcome.statuses) != {200}:
            raise SystemExit(f"answers: {dict(outcome.statuses)}\n{outcome.sample[-600:].decode('latin-1')}")


def _others(subject: Subject, mode: Mode) -> load.Attack:
    """Somebody who reads the list of categories, one request after the other."""
    head = b"GET /api/categories/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    return load.Attack(subject.port, head, [b""] * 1_000_000, [b""], OTHERS, 1, mode.warm_seconds, mode.seconds)


def logins(subject: Subject, mode: Mode, clients: int = CLIENTS) -> load.Attack:
    """Different people, one login after the other."""
    head = b"POST /api/auth/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    bodies = [msgspec.json.encode({"username": f"buyer{n}", "password": PASSWORD}) for n in range(1, PEOPLE + 1)]
    tails = [b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies]
    return load.Attack(subject.port, head, [b""] * 200_000, tails, clients, 1, mode.warm_seconds, mode.seconds)
