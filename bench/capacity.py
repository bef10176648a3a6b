"""What an operation costs, and what a second process and a second core add: what the page about capacity stands on.

Server, database and clients are bound to the same cores, so that one core and two differ in nothing else. What the
clients use is theirs and not in the costs.
"""

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import psycopg

from bench import catalogue, dataset, load, orders, processes, rounds, webhooks
from bench.context import Bench
from bench.model import COST, PART, Cost
from bench.plan import HOT, PROCESSES, Mode
from bench.rows import Row, row, shares
from bench.subjects import Subject, running

__all__ = ["PART", "measure"]

PAGES = tuple(f"?page={n}" for n in range(1, 65))
KEY = "0" * 64
CLIENTS, TIMES = 32, 3
# Processes of the API and cores for it and the database.
SHAPES = {"one core": (PROCESSES, 1), "one process": (1, PROCESSES), "two": (PROCESSES, PROCESSES)}
Run = Callable[[Subject, Mode], load.Outcome]


@dataclass(frozen=True)
class Kind:
    """An operation: the database it is asked of, what makes that as it was, which is not measured, and the load."""

    name: str
    url: str
    reset: Callable[[], None]
    run: Run


def measure(bench: Bench) -> list[Row]:
    """Rows of the result: an operation on two cores beside one, by two processes beside one."""
    if not _can_bind():
        raise SystemExit("this system does not bind programs to cores, or has only one")
    holds, lists = bench.database(), bench.database(catalogue.data_of(bench.mode.products))
    secret = bench.secret
    kinds = (
        Kind(
            *("hold, one hot promotion", holds, lambda: dataset.reset(holds, slots=True)),
            lambda subject, mode: load.run(rounds.attack_of(secret, subject, HOT, mode)),
        ),
        Kind(*("order of three lines", holds, lambda: orders.reset(holds)), _orders_with(secret)),
        Kind("page of 24 products, 64 pages in turn", lists, lambda: None, _page),
        Kind(
            *("webhook", holds, lambda: webhooks.forget(holds)),
            lambda subject, mode: webhooks.attack(holds, KEY, subject, mode),
        ),
    )
    return [line for kind in kinds[: None if bench.mode.fails else 1] for line in _of_kind(bench, kind)]


def _orders_with(secret: str) -> Run:
    return lambda subject, mode: load.run(orders.attack_of(secret, replace(subject, path=orders.PATH), mode, hot=False))


def _page(subject: Subject, mode: Mode) -> load.Outcome:
    return catalogue.attack(subject, PAGES, mode, clients=CLIENTS)


def _of_kind(bench: Bench, kind: Kind) -> list[Row]:
    name, url = kind.name, kind.url
    rates: dict[str, list[float]] = {shape: [] for shape in SHAPES}
    spent: list[tuple[float, ...]] = []
    settings = {webhooks.SETTING: KEY}
    with (
        running("ours", url, bench.secret, workers=1, **settings) as single,
        running("ours", url, bench.secret, **settings) as double,
    ):
        for _ in range(TIMES if bench.mode.fails else 1):
            for shape, (workers, cores) in SHAPES.items():
                subject = single if workers == 1 else double
                with _bound(url, subject, cores):
                    outcome, cost = _costing(kind, subject, bench.mode)
                rates[shape].append(outcome.rate)
                if shape == "two":
                    spent.append(cost)
            print(f"{name}: " + ", ".join(f"{shape} {of[-1]:.0f}/s" for shape, of in rates.items()), flush=True)
    medians = {shape: statistics.median(of) for shape, of in rates.items()}
    cost = Cost(name, *(statistics.median(of) for of in zip(*spent, strict=True)), medians["one core"], medians["two"])
    told = {key: value if isinstance(value, str) else round(value, 2) for key, value in asdict(cost).items()}
    return [_row(name, rates, "one core", told), _row(name, rates, "one process", None)]


def _row(name: str, rates: dict[str, list[float]], other: str, cost: dict[str, object] | None) -> Row:
    unit = f"answers/s, two beside {other}"
    more = {} if cost is None else {COST: cost}
    ratios = shares(rates["two"], rates[other])
    return row(PART, f"{name}: cores", unit, rates["two"], limit=rates[other], ratios=ratios, clients=CLIENTS, **more)


def _costing(kind: Kind, subject: Subject, mode: Mode) -> tuple[load.Outcome, tuple[float, ...]]:
    """The outcome, and of each answer: microseconds of server, database and clients, bytes of the log, transactions."""
    url = kind.url
    kind.reset()
    servers, backends = processes.tree(subject.pid), rounds.backends(url)
    log, commits = dataset.log_position(url), _commits(url)
    before = processes.cpu_seconds(servers), processes.cpu_seconds(backends)
    outcome = kind.run(subject, mode)
    done = sum(outcome.statuses.values())
    if set(outcome.statuses) - {200, 201}:
        raise SystemExit(f"answers: {dict(outcome.statuses)}\n{outcome.sample[-600:].decode('latin-1')}")
    backends = sorted({*backends, *rounds.backends(url)})
    return outcome, (
        (processes.cpu_seconds(servers) - before[0]) / done * 1e6,
        (processes.cpu_seconds(backends) - before[1]) / done * 1e6,
        outcome.cpu_seconds / done * 1e6,
        (dataset.log_position(url) - log) / done,
        (_commits(url) - commits) / done,
    )


def _commits(url: str) -> int:
    """Transactions of the database so far, as far as the backends have told."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        found = connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int((found.fetchone() or (0,))[0])


def _can_bind() -> bool:
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) >= PROCESSES


@contextmanager
def _bound(url: str, subject: Subject, cores: int) -> Iterator[None]:
    """Clients, which are children of this process, a server and the whole database run on so many cores meanwhile."""
    whole = os.sched_getaffinity(0)
    some = set(sorted(whole)[:cores])
    try:
        _bind([os.getpid(), *processes.tree(subject.pid), *_database(url)], some)
        yield
    finally:
        _bind([os.getpid(), *processes.tree(subject.pid), *_database(url)], whole)


def _bind(pids: Sequence[int], cores: set[int]) -> None:
    for pid in pids:
        try:
            os.sched_setaffinity(pid, cores)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise SystemExit("the database's processes may not be bound to cores by this account") from error


def _database(url: str) -> list[int]:
    """The database server's processes, where it runs on this machine."""
    with psycopg.connect(url) as connection:
        backend = connection.info.backend_pid
    parent = processes.parent(backend)
    return processes.tree(parent) if parent else []
