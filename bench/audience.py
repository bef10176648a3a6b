"""Audiences among many profiles: our job beside a Django shop, and beside a bare INSERT of the same rows."""

import asyncio
from collections.abc import Callable

from bench.audience_dataset import Audiences, forget, of_mode
from bench.audience_subjects import Ours, Peer, Telling, bare_insert, keep_rows
from bench.context import Bench
from bench.rows import Row, row, shares, speedups

PART = "audience"
# The least times as fast as Django's ways of writing, for the large audience and the small one.
LEAST = {"bulk_create": (8, 50), "bulk_create, dwithin": (None, None), "get_or_create": (100, None)}
# The most, in parts of a bare INSERT's time.
MOST_OF_BARE = (1.3, None)
MOST_MS = (None, 100)
Taken = dict[str, list[Telling]]


def measure(bench: Bench) -> list[Row]:
    """Rows of the result: the large and the small audience, in paired rounds."""
    audiences = of_mode(bench.mode)
    url = bench.database(audiences.data)
    with Peer(url, bench.secret, audiences) as peer, asyncio.Runner() as runner:
        ours = Ours(url, bench.secret, audiences)
        found = [
            line
            for promo in audiences.sizes
            for line in _rows(audiences, promo, _taken(runner, ours, peer, promo, bench.mode.rounds))
        ]
        runner.run(ours.engine.dispose())
        return found


def _taken(runner: asyncio.Runner, ours: Ours, peer: Peer, promo: int, rounds: int) -> Taken:
    url, size = ours.url, ours.sizes[promo]
    prepare(runner, ours, promo)
    forget(url)
    plan = runner.run(ours.plan(promo))
    subjects: dict[str, Callable[[], Telling]] = {
        "ours": lambda: runner.run(ours.tell(promo)),
        "bare INSERT": lambda: bare_insert(url, promo, size),
        "bulk_create": lambda: peer.tell(promo),
        "bulk_create, dwithin": lambda: peer.tell(promo, near="dwithin"),
        "get_or_create": lambda: peer.tell(promo, how="loop"),
    }
    taken: Taken = {name: [] for name in subjects}
    for number in range(rounds):
        for name, tell in subjects.items():
            forget(url)
            taken[name].append(tell())
        shown = "  ".join(f"{name} {of[-1].seconds:.3f} s" for name, of in taken.items())
        print(f"{number + 1:2} {size:,} of the people: {shown}", flush=True)
    print(f"   the statement alone: {plan['Execution Time']:.0f} ms", flush=True)
    return taken


def prepare(runner: asyncio.Runner, ours: Ours, promo: int) -> None:
    """Tell once: the caches are warm, and the bare INSERT has its rows."""
    forget(ours.url)
    runner.run(ours.tell(promo))
    keep_rows(ours.url, promo)


def _rows(audiences: Audiences, promo: int, taken: Taken) -> list[Row]:
    place = promo - 1
    scenario = f"audience, {audiences.sizes[promo]:,} of {audiences.people:,}"
    seconds = {name: [each.seconds for each in of] for name, of in taken.items()}
    ours, bare = seconds["ours"], seconds["bare INSERT"]
    rows = [
        row(
            PART,
            scenario,
            f"s, beside Django's {name}",
            ours,
            peer=seconds[name],
            limit=bare,
            ratios=speedups(ours, seconds[name]),
            least=least[place],
        )
        for name, least in LEAST.items()
    ]
    rows.append(
        row(
            *(PART, scenario, "s, in parts of a bare INSERT's", ours),
            limit=bare,
            ratios=shares(ours, bare),
            most=MOST_OF_BARE[place],
        )
    )
    spent = [each.database * 1000 for each in taken["ours"]]
    rows.append(row(PART, scenario, "ms of database time", spent, most=MOST_MS[place]))
    return rows
