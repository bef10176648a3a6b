"""What is measured, how long, and what is asked of the result."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VAR = ROOT / "var" / "bench"
PEER_VENV = ROOT / "var" / "bench-venv"
RESULTS = Path(__file__).with_name("results") / "latest.json"
DOCUMENT = ROOT / "docs" / "performance.md"

PROCESSES = 2
USERS = 60_000
PROMOS = 1000
# Far above what a round can hold, so that every request of an own user is a real hold.
UNITS = 1_000_000


@dataclass(frozen=True)
class Scenario:
    """Holds of `promos` promotions by `clients` at once. `goals` are the least ratios; None is: print it only."""

    name: str
    clients: int
    promos: int
    to_peer: float | None
    to_limit: float | None
    # The greatest 99th percentile, in milliseconds.
    p99_ms: float | None = None
    # Microseconds that a commit waits in addition: a slower disk.
    commit_delay: int = 0
    # The subject that is ours: `throttled` counts the calls of every buyer.
    subject: str = "ours"


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
    # Whether audiences belong to it; how many promotions start one after the other there.
    audiences: bool = True
    promos: int = 40


HOT = Scenario("hold, one hot promotion", 32, 1, to_peer=10, to_limit=0.4, p99_ms=100)
CROWD = Scenario("hold, one hot promotion", 128, 1, to_peer=10, to_limit=0.4)
MANY = Scenario("hold, 1,000 promotions", 32, PROMOS, to_peer=None, to_limit=None)
COUNTED = Scenario("hold, one hot promotion, calls counted", 32, 1, to_peer=None, to_limit=None, subject="throttled")
SLOW_DISK = Scenario("hold, one hot promotion, 1 ms commit", 32, 1, to_peer=None, to_limit=None, commit_delay=1000)

QUICK = Mode("quick", 5, 1.5, 0.5, (HOT,), fails=False, audiences=False)
USUAL = Mode("default", 7, 4, 1, (HOT, MANY, COUNTED), fails=True)
FULL = Mode("full", 9, 6, 1, (HOT, CROWD, MANY, COUNTED, SLOW_DISK), fails=True, promos=100)


def chosen_mode() -> Mode:
    """`QUICK=1` or `FULL=1` in the environment, as make passes them."""
    for mode in (QUICK, FULL):
        if os.environ.get(mode.name.upper(), "") not in {"", "0"}:
            return mode
    return USUAL
