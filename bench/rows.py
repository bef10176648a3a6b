"""Rows of the result: medians, the ratios of the pairs with their spread, what was asked and whether it was met. Pure.

A row is a dictionary with the keys of `KEYS` and those of `MORE`. `ratio` is the median of the ratios of pairs of
rounds; `goal` is asked of the ratio, or of our own figure where `of` says so, as the least or as the most (`bound`).
"""

import statistics
from collections.abc import Sequence
from typing import Any, Literal

KEYS = ("scenario", "clients", "ours", "peer", "limit", "ratio", "goal", "met")
MORE = ("part", "unit", "spread", "rounds", "bound", "of")
Row = dict[str, Any]
DIGITS = 4


def row(
    part: str,
    scenario: str,
    unit: str,
    ours: Sequence[float],
    *,
    peer: Sequence[float] = (),
    limit: Sequence[float] = (),
    ratios: Sequence[float] = (),
    clients: int = 1,
    least: float | None = None,
    most: float | None = None,
    of: Literal["ratio", "ours"] | None = None,
    **more: Any,
) -> Row:
    """A row of figures of rounds. Without ratios the spread, and the goal, are those of our own figure."""
    about = of or ("ratio" if ratios else "ours")
    figure = statistics.median(ratios if about == "ratio" else ours)
    goal, bound = (least, "least") if least is not None else (most, "most")
    spread = ratios or ours
    return {
        "scenario": scenario,
        "clients": clients,
        "ours": _median(ours),
        "peer": _median(peer),
        "limit": _median(limit),
        "ratio": _median(ratios),
        "goal": goal,
        "met": None if goal is None else (figure >= goal if bound == "least" else figure <= goal),
        "part": part,
        "unit": unit,
        "spread": [_short(min(spread)), _short(max(spread))],
        "rounds": len(ours),
        "bound": bound if goal is not None else None,
        "of": about,
        **more,
    }


def shares(ours: Sequence[float], other: Sequence[float]) -> list[float]:
    """Ours in parts of the other's, pair by pair: how many times as much, of rates."""
    return [a / b for a, b in zip(ours, other, strict=True)]


def speedups(ours: Sequence[float], other: Sequence[float]) -> list[float]:
    """How many times as fast we are, of times."""
    return shares(other, ours)


def _median(values: Sequence[float]) -> float | None:
    return _short(statistics.median(values)) if values else None


def _short(value: float) -> float:
    """Four digits that count; whole numbers from a thousand on."""
    if abs(value) >= 1000:
        return round(value)
    return float(f"{value:.{DIGITS}g}")
