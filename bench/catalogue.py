"""Lists of a hundred thousand products beside a Django shop's, and of a million beside ten thousand."""

import json
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from bench import dataset, load
from bench.audience import figure
from bench.plan import PROCESSES, Mode
from bench.subjects import Subject, running

PART = "catalogue"
FILL = Path(__file__).with_name("catalogue_dataset.sql")
CLIENTS = 32
SMALL, USUAL, LARGE = 10_000, 100_000, 1_000_000
CATEGORIES = 96
MOST_GROWTH = 1.5
THINGS = ("panel", "maceta", "abono", "sustrato", "carpa", "filtro", "lampara", "tijera", "bandeja", "medidor")
PURPOSES = ("floracion", "crecimiento", "raices", "interior", "exterior", "invernadero", "balcon", "cultivo", "secado")
TOPS = ("Iluminacion", "Sustratos", "Fertilizantes", "Macetas", "Riego", "Clima", "Carpas", "Medicion", "Semillas")
PATH = "/api/products/"
Row = dict[str, Any]


@dataclass(frozen=True)
class List:
    """Requests of a kind, one after the other; how many times as many as the peer we have to answer."""

    name: str
    queries: tuple[str, ...]
    least: float | None
    clients: int = CLIENTS
    # The least that a round lasts: the peer answers a search in seconds.
    seconds: float = 0


LISTS = (
    List("the first page", ("",), 12),
    List("the first 64 pages in turn", tuple(f"?page={n}" for n in range(1, 65)), None),
    List("the 50th page of a category", tuple(f"?category_name={top}&page=50" for top in TOPS), 8),
    List("a search of two words", tuple(f"?search={quote(f'{a} {b}')}" for a, b in product(THINGS, PURPOSES)), 8, 4, 8),
)


def data_of(products: int) -> dataset.Data:
    return dataset.Data(f"relampago_bench_catalogue_{products}", FILL, {"products": products, "categories": CATEGORIES})


def measure(admin_url: str, secret: str, mode: Mode) -> list[Row]:
    """Rows of the result, in paired rounds."""
    url = dataset.prepare(admin_url, data_of(USUAL))
    with ExitStack() as stack:
        ours = stack.enter_context(running("ours", url, secret))
        peer = stack.enter_context(running("peer-sync", url, secret))
        for each in LISTS:
            compare(ours, peer, each)
        rows = [row for each in LISTS for row in _rows_of(each, ours, peer, mode)]
    return rows + growth(admin_url, secret, mode)


def compare(ours: Subject, peer: Subject, asked: List) -> None:
    """Both give the same answer, but for the order of a search, which is by the best match with us alone."""
    query = asked.queries[0]
    first, second = (_read(subject, query) for subject in (ours, peer))
    if "search" in query:
        same = first["count"] == second["count"]
    else:
        same = (first["count"], first["results"]) == (second["count"], second["results"])
    if not same:
        raise SystemExit(f"the answers to {query!r} differ:\n{str(first)[:900]}\n{str(second)[:900]}")


def _read(subject: Subject, query: str) -> dict[str, Any]:
    with urlopen(f"http://127.0.0.1:{subject.port}{PATH}{query}") as answer:
        return dict(json.load(answer))


def _rows_of(asked: List, ours: Subject, peer: Subject, mode: Mode) -> list[Row]:
    found: dict[str, list[load.Outcome]] = {"ours": [], "peer": []}
    lasting = replace(mode, seconds=max(mode.seconds, asked.seconds))
    for number in range(mode.rounds):
        for name, subject in (("ours", ours), ("peer", peer)):
            found[name].append(_attack(subject, asked.queries, lasting, clients=asked.clients))
        rates = {name: of[-1].rate for name, of in found.items()}
        print(f"{number + 1:2} {asked.name}: {rates['ours']:.0f}/s beside {rates['peer']:.1f}/s", flush=True)
    slow = [a.percentile(0.99) / b.percentile(0.5) for a, b in zip(found["ours"], found["peer"], strict=True)]
    rates_of = {name: [each.rate for each in of] for name, of in found.items()}
    ratios = [a / b for a, b in zip(rates_of["ours"], rates_of["peer"], strict=True)]
    return [
        _row(f"products: {asked.name}", "answers/s", rates_of["ours"], ratios, rates_of["peer"], least=asked.least),
        _row(
            f"products: {asked.name}",
            "ms, p99 in parts of the peer's median",
            [each.percentile(0.99) for each in found["ours"]],
            slow,
            [each.percentile(0.5) for each in found["peer"]],
            most=None if asked.least is None else 1,
        ),
    ]


def growth(admin_url: str, secret: str, mode: Mode) -> list[Row]:
    """The first page, one request after the other, of a million products in parts of that of ten thousand."""
    means: dict[int, list[float]] = {SMALL: [], LARGE: []}
    with ExitStack() as stack:
        subjects = {
            size: stack.enter_context(running("ours", dataset.prepare(admin_url, data_of(size)), secret))
            for size in means
        }
        for _ in range(mode.rounds):
            for size, subject in subjects.items():
                outcome = _attack(subject, ("",), mode, clients=1)
                means[size].append(statistics.fmean(outcome.latencies) * 1000)
    ratios = [large / small for small, large in zip(means[SMALL], means[LARGE], strict=True)]
    return [
        _row(
            f"products: the first page of {LARGE:,}",
            f"ms, beside {SMALL:,}",
            means[LARGE],
            ratios,
            means[SMALL],
            most=MOST_GROWTH,
        )
    ]


def _row(
    scenario: str,
    unit: str,
    ours: Sequence[float],
    ratios: Sequence[float],
    other: Sequence[float],
    *,
    least: float | None = None,
    most: float | None = None,
) -> Row:
    ratio = statistics.median(ratios)
    met = ratio >= least if least is not None else None if most is None else ratio <= most
    row = figure(scenario, unit, statistics.median(ours), ratios, least=least, most=most)
    return row | {"part": PART, "ratio": round(ratio, 3), "other": round(statistics.median(other), 4), "met": met}


def _attack(subject: Subject, queries: Sequence[str], mode: Mode, clients: int = CLIENTS) -> load.Outcome:
    tails = [f"{PATH}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for query in queries]
    # Of each process's clients, whatever its number, every query gets its turn.
    processes = 1 if clients == 1 else PROCESSES
    requests = [b""] * 1_000_000
    outcome = load.run(
        load.Attack(subject.port, b"GET ", requests, tails, clients, processes, mode.warm_seconds, mode.seconds)
    )
    if set(outcome.statuses) != {200}:
        raise SystemExit(f"{subject.name}: {dict(outcome.statuses)}\n{outcome.sample[-600:].decode('latin-1')}")
    return outcome
