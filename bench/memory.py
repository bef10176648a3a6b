"""Memory of API and worker under load that goes on: holds, orders with their jobs, pages of a list, in turn."""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from bench import dataset, load, orders, processes
from bench.catalogue import attack as read_lists
from bench.context import Bench
from bench.plan import HOT, Mode
from bench.programs import sandbox, workers
from bench.rounds import attack as hold
from bench.rows import Row, row
from bench.subjects import Subject, running

PART = "memory"
# What is left of a first growth, as pools and caches fill, is over after a fifth of the time.
PARTS, MOST_GROWTH = 5, 1.1
SLICE_SECONDS, LOOK_SECONDS = 2.0, 0.5
PAGES = tuple(f"?page={n}" for n in range(1, 41))


def measure(bench: Bench) -> list[Row]:
    """Rows of the result: the last fifth of the time beside the second, in MB that the processes have."""
    url, mode = bench.database(), bench.mode
    orders.reset(url)
    with (
        sandbox() as settings,
        workers(url, bench.secret, settings) as worker,
        running("ours", url, bench.secret) as subject,
    ):
        seen: dict[str, list[float]] = {"API": [], "worker": []}
        with _watching({"API": processes.tree(subject.pid), "worker": worker}, seen):
            done = _load(bench, url, subject, mode)
    print(f"{done:,} answers in {mode.memory_seconds:.0f} s", flush=True)
    return [line for name, of in seen.items() for line in _rows(name, of, mode.memory_seconds)]


def _rows(name: str, seen: Sequence[float], seconds: float) -> list[Row]:
    early, late = parts_of(seen)
    slope = a_minute(seen, seconds)
    verdict = "flat" if late <= MOST_GROWTH * early else "grows"
    print(f"{name}: {early:.0f} MB, then {late:.0f} MB, {slope:+.2f} MB a minute: {verdict}", flush=True)
    scenario = f"memory of the {name}, {seconds:.0f} s of load"
    unit = "MB in the last fifth of the time, beside the second"
    clients = HOT.clients
    return [
        row(PART, scenario, unit, [late], limit=[early], ratios=[late / early], clients=clients, most=MOST_GROWTH),
        row(PART, scenario, "MB more a minute, after the first fifth", [slope], clients=clients),
        row(PART, scenario, "MB at most", [max(seen)], clients=clients),
    ]


def parts_of(seen: Sequence[float]) -> tuple[float, float]:
    """The medians of the second and of the last fifth."""
    fifth = max(len(seen) // PARTS, 1)
    return statistics.median(seen[fifth : 2 * fifth] or seen), statistics.median(seen[-fifth:])


def a_minute(seen: Sequence[float], seconds: float) -> float:
    """How much is added in a minute, by the straight line through what was seen after the first fifth."""
    after = seen[len(seen) // PARTS :]
    times = [place * seconds / 60 / len(seen) for place in range(len(after))]
    return statistics.linear_regression(times, after).slope if len(after) > 1 else 0.0


@contextmanager
def _watching(pids: dict[str, Sequence[int]], seen: dict[str, list[float]]) -> Iterator[None]:
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_SECONDS):
            for name, of in pids.items():
                seen[name].append(sum(map(processes.megabytes, of)))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _load(bench: Bench, url: str, subject: Subject, mode: Mode) -> int:
    """Until the time is over; how many answers."""
    slice_ = replace(mode, seconds=min(SLICE_SECONDS, mode.memory_seconds / 4), warm_seconds=0.0)
    until, done = time.monotonic() + mode.memory_seconds, 0
    while time.monotonic() < until:
        done += round(hold(url, bench.secret, subject, HOT, slice_).rate * slice_.seconds)
        placed = load.run(orders.attack_of(bench.secret, replace(subject, path=orders.PATH), slice_, hot=False))
        if set(placed.statuses) != {201}:
            raise SystemExit(f"answers: {dict(placed.statuses)}\n{placed.sample[-600:].decode('latin-1')}")
        done += len(placed.latencies) + len(read_lists(subject, PAGES, slice_).latencies)
    dataset.reset(url, slots=True)
    return done
