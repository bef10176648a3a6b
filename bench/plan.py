"""What is measured, how much of it, and what is asked of the result."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VAR = ROOT / "var" / "bench"
PEER_VENV = ROOT / "var" / "bench-venv"
RESULTS = Path(__file__).with_name("results") / "latest.json"
DOCUMENT = ROOT / "docs" / "performance.md"
CAPACITY = ROOT / "docs" / "capacity.md"
CHARTS = ROOT / "docs" / "charts"

PROCESSES = 2
USERS = 120_000
PROMOS = 1000
# Far above what a round can hold, so that every request of an own user is a real hold.
UNITS = 1_000_000


@dataclass(frozen=True)
class Scenario:
    """Holds of `promos` promotions by `clients` at once. `to_peer` and `to_limit` are the least ratios, if any."""

    name: str
    clients: int
    promos: int
    to_peer: float | None = None
    to_limit: float | None = None
    # The greatest 99th percentile, in milliseconds.
    p99_ms: float | None = None
    # Microseconds that a commit waits in addition: a slower disk.
    commit_delay: int = 0
    # The subject that is ours: `throttled` counts the calls of every buyer.
    subject: str = "ours"


HOT = Scenario("hold, one hot promotion", 32, 1, to_peer=20, to_limit=0.6, p99_ms=100)
CROWD = Scenario("hold, one hot promotion", 128, 1, to_peer=20, to_limit=0.6)
MANY = Scenario("hold, 1,000 promotions", 32, PROMOS, to_peer=12)
SLOW_DISK = Scenario("hold, one hot promotion, 1 ms commit", 32, 1, to_peer=25, commit_delay=1000)
COUNTED = Scenario("hold, one hot promotion, calls counted", 32, 1, subject="throttled")


@dataclass(frozen=True)
class Mode:
    """How much of it. A round is measured for `seconds`, after `warm_seconds` that do not count."""

    name: str
    rounds: int
    seconds: float
    warm_seconds: float
    scenarios: tuple[Scenario, ...]
    # Whether a missed goal is an error, and the figures are kept.
    fails: bool
    # The sizes of the data: buyers, more than a round can have holds; products of the list, people among whom an
    # audience is found, its greater and its smaller one, orders of the statistics.
    users: int
    products: int
    people: int
    audiences: tuple[int, int]
    orders: int
    # Pushes of one promotion beside Celery; promotions that start one after the other; jobs that do nothing.
    pushes: int
    promos: int
    noops: int
    # How long memory is watched.
    memory_seconds: float
    # The sizes at which growth is looked at; none is: not at all.
    sizes: tuple[int, ...] = ()


QUICK = Mode(
    "quick",
    rounds=1,
    seconds=0.6,
    warm_seconds=0.2,
    scenarios=(HOT,),
    fails=False,
    users=20_000,
    products=10_000,
    people=20_000,
    audiences=(1000, 100),
    orders=50_000,
    pushes=500,
    promos=3,
    noops=300,
    memory_seconds=3,
)
USUAL = Mode(
    "default",
    rounds=5,
    seconds=2,
    warm_seconds=0.5,
    scenarios=(HOT, CROWD, MANY, SLOW_DISK),
    fails=True,
    users=USERS,
    products=100_000,
    people=1_000_000,
    audiences=(50_000, 1000),
    orders=5_000_000,
    pushes=10_000,
    promos=25,
    noops=1000,
    memory_seconds=45,
)
FULL = replace(
    USUAL,
    name="full",
    rounds=9,
    seconds=3,
    scenarios=(*USUAL.scenarios, COUNTED),
    promos=100,
    noops=2000,
    memory_seconds=600,
    sizes=(10_000, 100_000, 1_000_000),
)


def chosen_mode() -> Mode:
    """`QUICK=1` or `FULL=1` in the environment, as make passes them."""
    for mode in (QUICK, FULL):
        if os.environ.get(mode.name.upper(), "") not in {"", "0"}:
            return mode
    return USUAL
