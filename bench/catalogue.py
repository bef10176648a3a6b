"""Lists of products beside a Django shop's, and the first page beside itself with a COUNT(*) each time."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from bench import dataset, load
from bench.context import Bench
from bench.plan import PROCESSES, Mode
from bench.rows import Row, row, shares
from bench.subjects import Subject, all_running, running

PART = "catalogue"
FILL = Path(__file__).with_name("catalogue_dataset.sql")
CLIENTS = 32
USUAL = 100_000
CATEGORIES = 96
THINGS = ("panel", "maceta", "abono", "sustrato", "carpa", "filtro", "lampara", "tijera", "bandeja", "medidor")
PURPOSES = ("floracion", "crecimiento", "raices", "interior", "exterior", "invernadero", "balcon", "cultivo", "secado")
TOPS = ("Iluminacion", "Sustratos", "Fertilizantes", "Macetas", "Riego", "Clima", "Carpas", "Medicion", "Semillas")
PATH = "/api/products/"


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
    List("the first page", ("",), 15),
    List("the first 64 pages in turn", tuple(f"?page={n}" for n in range(1, 65)), None),
    List("the 50th page of a category", tuple(f"?category_name={top}&page=50" for top in TOPS), 10),
    List(
        "a search of two words", tuple(f"?search={quote(f'{a} {b}')}" for a, b in product(THINGS, PURPOSES)), 10, 4, 5
    ),
)
# The subjects that count each time, by what they are called in the result.
COUNTING = {"counting": "COUNT(*) for each request", "counting-shared": "COUNT(*) in every statement"}
LEAST_TO_COUNTING = 4


def data_of(products: int) -> dataset.Data:
    return dataset.Data(f"relampago_bench_catalogue_{products}", FILL, {"products": products, "categories": CATEGORIES})


def measure(bench: Bench) -> list[Row]:
    """Rows of the result, in paired rounds. Raises SystemExit when the answers differ."""
    mode = bench.mode
    url = bench.database(data_of(mode.products))
    lists = lists_of(mode)
    with ExitStack() as stack:
        ours = stack.enter_context(running("ours", url, bench.secret))
        peer = stack.enter_context(running("peer-sync", url, bench.secret))
        for each in lists:
            compare(ours, peer, each)
        rows = [line for each in lists for line in _rows_of(each, ours, peer, mode)]
    return rows + _beside_counting(url, bench.secret, mode)


def lists_of(mode: Mode) -> Sequence[List]:
    """In a small catalogue the peer's searches take no seconds."""
    return LISTS if mode.products >= USUAL else [replace(each, seconds=0) for each in LISTS]


def _beside_counting(url: str, secret: str, mode: Mode) -> list[Row]:
    """The first page beside the same one of our own application when it counts."""
    page = LISTS[0]
    names = tuple(COUNTING) if mode.fails else tuple(COUNTING)[:1]
    with all_running(("ours", *names), url, secret) as (ours, *counting):
        for other in counting:
            compare(ours, other, page)
        rates = {subject.name: [] for subject in (ours, *counting)}
        for number in range(mode.rounds):
            for subject in (ours, *counting):
                rates[subject.name].append(attack(subject, page.queries, mode).rate)
            told = ", ".join(f"{name} {of[-1]:.0f}/s" for name, of in rates.items())
            print(f"{number + 1:2} {page.name}: {told}", flush=True)
    return [
        row(
            PART,
            f"products: {page.name}, beside {told}",
            "answers/s",
            rates["ours"],
            peer=rates[name],
            ratios=shares(rates["ours"], rates[name]),
            clients=page.clients,
            least=LEAST_TO_COUNTING if name == "counting" else None,
        )
        for name, told in COUNTING.items()
        if name in rates
    ]


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
            found[name].append(attack(subject, asked.queries, lasting, clients=asked.clients))
        last = {name: of[-1].rate for name, of in found.items()}
        print(f"{number + 1:2} {asked.name}: {last['ours']:.0f}/s beside {last['peer']:.1f}/s", flush=True)
    rates = {name: [each.rate for each in of] for name, of in found.items()}
    slow, usual = ([each.percentile(of) for each in found[name]] for name, of in (("ours", 0.99), ("peer", 0.5)))
    ratios, parts = shares(rates["ours"], rates["peer"]), shares(slow, usual)
    scenario, unit = f"products: {asked.name}", "ms, our p99 beside the peer's median"
    most = None if asked.least is None else 1
    return [
        row(PART, scenario, "answers/s", **rates, ratios=ratios, clients=asked.clients, least=asked.least),
        row(PART, scenario, unit, slow, peer=usual, ratios=parts, clients=asked.clients, most=most),
    ]


def attack(subject: Subject, queries: Sequence[str], mode: Mode, clients: int = CLIENTS) -> load.Outcome:
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
