"""Audiences of a million profiles: our job beside a Django shop, and beside a bare INSERT of the same rows."""

import asyncio
import statistics
from collections.abc import Sequence
from typing import Any

from bench.audience_dataset import LARGE, SIZES, SMALL, forget
from bench.audience_report import PART
from bench.audience_subjects import Ours, Peer, Telling, bare_insert, keep_rows


def measure(url: str, secret: str, rounds: int) -> list[dict[str, Any]]:
    """Rows of the result: the large and the small audience, in paired rounds."""
    peer = Peer(url, secret)
    try:
        with asyncio.Runner() as runner:
            ours = Ours(url, secret)
            rows = [row for promo in SIZES for row in _of_promo(runner, ours, peer, promo, rounds)]
            runner.run(ours.engine.dispose())
            return rows
    finally:
        peer.close()


def _of_promo(runner: asyncio.Runner, ours: Ours, peer: Peer, promo: int, rounds: int) -> list[dict[str, Any]]:
    url = ours.url
    forget(url)
    runner.run(ours.tell(promo))
    keep_rows(url, promo)
    forget(url)
    plan = runner.run(ours.plan(promo))
    subjects = {
        "ours": lambda: runner.run(ours.tell(promo)),
        "bare INSERT": lambda: bare_insert(url, promo),
        "bulk_create": lambda: peer.tell(promo),
        "bulk_create, dwithin": lambda: peer.tell(promo, near="dwithin"),
        "get_or_create": lambda: peer.tell(promo, how="loop"),
    }
    taken: dict[str, list[Telling]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name, tell in subjects.items():
            forget(url)
            taken[name].append(tell())
        shown = "  ".join(f"{name} {of[-1].seconds:.3f} s" for name, of in taken.items())
        print(f"{number + 1:2} {SIZES[promo]:,} of the million: {shown}", flush=True)
    print(f"   the statement alone: {plan['Execution Time']:.0f} ms", flush=True)
    return _rows(promo, taken)


def _rows(promo: int, taken: dict[str, list[Telling]]) -> list[dict[str, Any]]:
    scenario = f"audience, {SIZES[promo]:,} of 1,000,000"
    large = SIZES[promo] == LARGE
    goals = {"bulk_create": 8 if large else 40, "bulk_create, dwithin": None, "get_or_create": 100 if large else None}
    rows = [
        row_of(scenario, f"s, beside Django's {name}", taken["ours"], taken[name], least=goal)
        for name, goal in goals.items()
    ]
    rows.append(
        row_of(
            scenario, "s, of a bare INSERT's", taken["ours"], taken["bare INSERT"], most=1.3 if large else None, of=True
        )
    )
    if SIZES[promo] == SMALL:
        spent = [each.database * 1000 for each in taken["ours"]]
        rows.append(figure(scenario, "ms of database time", statistics.median(spent), spent, most=100))
    return rows


def row_of(
    scenario: str,
    unit: str,
    ours: Sequence[Telling],
    other: Sequence[Telling],
    *,
    least: float | None = None,
    most: float | None = None,
    of: bool = False,
) -> dict[str, Any]:
    """A ratio of the pairs: how many times as fast we are, or with `of` our time in parts of the other's."""
    ratios = [a.seconds / b.seconds if of else b.seconds / a.seconds for a, b in zip(ours, other, strict=True)]
    ratio = statistics.median(ratios)
    row = figure(scenario, unit, statistics.median(each.seconds for each in ours), ratios, least=least, most=most)
    met = None if least is None and most is None else (ratio >= least if least is not None else ratio <= (most or 0))
    return row | {
        "other": round(statistics.median(each.seconds for each in other), 4),
        "ratio": round(ratio, 3),
        "met": met,
    }


def figure(
    scenario: str,
    unit: str,
    ours: float,
    each: Sequence[float],
    *,
    least: float | None = None,
    most: float | None = None,
) -> dict[str, Any]:
    """A figure of ours alone, with what was asked of it."""
    met = None if least is None and most is None else (ours >= least if least is not None else ours <= (most or 0))
    return {
        "part": PART,
        "scenario": scenario,
        "unit": unit,
        "ours": round(ours, 4),
        "other": None,
        "ratio": None,
        "ratio_low": round(min(each), 3),
        "ratio_high": round(max(each), 3),
        "rounds": len(each),
        "least": least,
        "most": most,
        "met": met,
    }
