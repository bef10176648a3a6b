"""Each scenario at three sizes, one request after the other: what grows more than the logarithm of the size.

A tree of a hundred times as many keys is as many levels deeper as the logarithm says; the goal is that nothing grows
more than that.
"""

import asyncio
import math
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from bench import catalogue, dataset, figures, load, logins, orders, programs, rounds, webhooks
from bench.audience_dataset import Audiences, forget
from bench.audience_subjects import Ours
from bench.context import Bench
from bench.jobs import our_nothing
from bench.plan import HOT, PROMOS, UNITS
from bench.rows import Row, row, shares
from bench.subjects import Subject, running

PART = "growth"
SIZES = "figures"
HISTORY = Path(__file__).with_name("history.sql")
# The audience stays, the people around it grow.
TOLD = (1000, 100)
ORDERS_A_PRODUCT = 5
NOOPS = 300
KEY = "0" * 64
Times = dict[int, list[float]]


@dataclass(frozen=True)
class Request:
    """A request of a scenario: milliseconds of each of a round's answers, in the mean."""

    name: str
    milliseconds: Callable[[Bench, str, Subject], float]


def measure(bench: Bench) -> list[Row]:
    """Rows of the result; sizes in turn within a round, so that a noisy minute is noisy for all of them."""
    sizes = bench.mode.sizes or (bench.mode.products,)
    found: dict[str, Times] = {}
    for data, requests in ((catalogue.data_of, LISTS), (history_of, WRITES)):
        found |= _requests(bench, sizes, data, requests)
    found["statistics: sales of a month, ms of database time"] = _statistics(bench, sizes)
    found[f"audience of {TOLD[0]:,}"] = _audience(bench, sizes)
    found["a job that does nothing"] = _jobs(bench, sizes)
    return [_row(name, of) for name, of in found.items()]


def logarithm(sizes: Sequence[int]) -> float:
    """How much the logarithm grows from the least size to the greatest."""
    return math.log(max(sizes)) / math.log(min(sizes)) if min(sizes) > 1 else 1.0


def _row(name: str, times: Times) -> Row:
    least, most = min(times), max(times)
    unit = f"ms, {most:,} beside {least:,}"
    medians = {f"{size:,}": float(f"{statistics.median(of):.3g}") for size, of in times.items()}
    ratios = shares(times[most], times[least])
    goal = round(logarithm(list(times)), 3)
    return row(
        *(PART, f"growth: {name}", unit, times[most]), limit=times[least], ratios=ratios, most=goal, **{SIZES: medians}
    )


def history_of(size: int) -> dataset.Data:
    """The holds' data for so many users, with so much that has happened already."""
    sizes = {"users": size, "promos": PROMOS, "units": UNITS, "history": size}
    return dataset.Data(f"relampago_bench_history_{size}", dataset.HOLDS.fill, sizes, (HISTORY,))


def _requests(
    bench: Bench, sizes: Sequence[int], data: Callable[[int], dataset.Data], requests: Sequence[Request]
) -> dict[str, Times]:
    """Requests to servers of our own, one at each size."""
    urls = {size: bench.database(data(size)) for size in sizes}
    found: dict[str, Times] = {each.name: {size: [] for size in sizes} for each in requests}
    with ExitStack() as stack:
        subjects = {
            size: stack.enter_context(running("ours", url, bench.secret, workers=1, **{webhooks.SETTING: KEY}))
            for size, url in urls.items()
        }
        for each in requests:
            for number in range(bench.mode.rounds + 1):
                for size in sizes:
                    taken = each.milliseconds(bench, urls[size], subjects[size])
                    # The first time, caches are cold.
                    if number:
                        found[each.name][size].append(taken)
            told = ", ".join(f"{size:,}: {statistics.median(of):.2f} ms" for size, of in found[each.name].items())
            print(f"{each.name}: {told}", flush=True)
    return found


def _mean(outcome: load.Outcome) -> float:
    if not set(outcome.statuses) <= {200, 201} or not outcome.latencies:
        raise SystemExit(f"answers: {dict(outcome.statuses)}\n{outcome.sample[-600:].decode('latin-1')}")
    return statistics.fmean(outcome.latencies) * 1000


def _list(queries: Sequence[str]) -> Callable[[Bench, str, Subject], float]:
    return lambda bench, _, subject: _mean(catalogue.attack(subject, queries, bench.mode, clients=1))


def _hold(bench: Bench, url: str, subject: Subject) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE reservation")
    attack = rounds.attack_of(bench.secret, subject, replace(HOT, clients=1), bench.mode)
    return _mean(load.run(_alone(attack, _users(url))))


def _order(bench: Bench, url: str, subject: Subject) -> float:
    attack = orders.attack_of(bench.secret, replace(subject, path=orders.PATH), bench.mode, hot=False)
    return _mean(load.run(_alone(attack, _users(url))))


def _webhook(bench: Bench, url: str, subject: Subject) -> float:
    return _mean(webhooks.attack(url, KEY, subject, bench.mode, clients=1))


def _login(bench: Bench, url: str, subject: Subject) -> float:
    logins.give_passwords(url)
    return _mean(load.run(logins.logins(subject, bench.mode, clients=1)))


def _alone(attack: load.Attack, users: int) -> load.Attack:
    """One client, and only buyers that there are."""
    return replace(attack, clients=1, processes=1, tokens=attack.tokens[:users])


def _users(url: str) -> int:
    return int(programs.ask(url, "SELECT count(*) FROM users"))


LISTS = tuple(
    Request(f"products, {each.name}", _list(each.queries)) for each in catalogue.LISTS if each.least is not None
)
WRITES = (
    Request("hold", _hold),
    Request("order of three lines", _order),
    Request("webhook", _webhook),
    Request("login", _login),
)


def _statistics(bench: Bench, sizes: Sequence[int]) -> Times:
    found: Times = {}
    for size in sizes:
        url = bench.database(figures.data_of(size * ORDERS_A_PRODUCT))
        found[size] = asyncio.run(figures.times(url, bench.secret, bench.mode.rounds))["sales, month"]
    return found


def _audience(bench: Bench, sizes: Sequence[int]) -> Times:
    """Seconds are told in milliseconds, as everything here."""
    with asyncio.Runner() as runner:
        told = {size: Audiences(size, *TOLD) for size in sizes}
        jobs = {size: Ours(bench.database(of.data), bench.secret, of) for size, of in told.items()}
        found: Times = {size: [] for size in sizes}
        for number in range(bench.mode.rounds + 1):
            for size, ours in jobs.items():
                forget(ours.url)
                seconds = runner.run(ours.tell(1)).seconds
                if number:
                    found[size].append(seconds * 1000)
        for ours in jobs.values():
            runner.run(ours.engine.dispose())
    return found


def _jobs(bench: Bench, sizes: Sequence[int]) -> Times:
    """Milliseconds of a job that does nothing, with one worker, beside so many that are done."""
    found: Times = {size: [] for size in sizes}
    for size in sizes:
        url = bench.database(history_of(size))
        with programs.workers(url, bench.secret, {}, module=("bench.noop",)):
            for _ in range(bench.mode.rounds):
                found[size].append(asyncio.run(our_nothing(url, bench.secret, NOOPS)) / NOOPS * 1000)
    return found
