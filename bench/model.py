"""What a machine of so many cores carries, from the measured cost of each operation. Pure.

An operation costs so many microseconds of the API's processor time and of the database's, and so many bytes of the
write-ahead log. What a core gives up when there is a second one beside it was measured; Amdahl's law makes of it what
many cores give up. Where the database stands alone its cores are the limit, and the API gets as many as it can feed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CORES = (2, 8, 32)
# Above this a machine answers late: the rest is for the system, and for peaks.
USABLE = 0.8
# What a usual disk of a data centre writes in order, in bytes a second.
LOG_BYTES_A_SECOND = 500e6
PART = "capacity"
COST = "cost"


@dataclass(frozen=True)
class Cost:
    """Of an answer: microseconds, bytes of the log, transactions; then answers a second on one core and on two.

    The clients' microseconds are none of a shop's, but they were part of the machine that was measured.
    """

    name: str
    server_us: float
    database_us: float
    client_us: float
    wal_bytes: float
    commits: float
    one_core: float
    two_cores: float

    @property
    def serial(self) -> float:
        """The part of the work that a second core does not speed up: s in Amdahl's 1 / (s + (1 - s) / n)."""
        gain = self.two_cores / self.one_core if self.one_core else 2.0
        return min(max(2 / gain - 1, 0.0), 1.0) if gain else 1.0

    @property
    def linear_two(self) -> float:
        """What two cores would do if each did what the one does."""
        return 2 * self.one_core

    @property
    def counted_two(self) -> float:
        """What two cores would do if they did nothing else: server, database and clients, and no core ever waits."""
        return 2e6 / (self.server_us + self.database_us + self.client_us)


def speed_up(cores: int, serial: float) -> float:
    """How many cores' work so many cores do."""
    return 1 / (serial + (1 - serial) / cores)


def together(cost: Cost, cores: int) -> tuple[float, float]:
    """Answers a second of one machine for everything: with the loss that was measured, and without any."""
    alone = USABLE * 1e6 / (cost.server_us + cost.database_us)
    return alone * speed_up(cores, cost.serial), alone * cores


def primary(cost: Cost, cores: int) -> tuple[float, str]:
    """Answers a second that a database alone on so many cores carries, and their end; infinite if it does nothing."""
    bounds = {
        "its cores": USABLE * cores * 1e6 / cost.database_us if cost.database_us >= 1 else float("inf"),
        "the log's disk": LOG_BYTES_A_SECOND / cost.wal_bytes if cost.wal_bytes >= 1 else float("inf"),
    }
    name = min(bounds, key=bounds.__getitem__)
    return bounds[name], name


def api_cores(cost: Cost, rate: float) -> float:
    """How many of the API's cores so many answers a second need."""
    return rate * cost.server_us / 1e6 / USABLE


def costs_of(rows: Iterable[Mapping[str, Any]]) -> list[Cost]:
    return [Cost(**row[COST]) for row in rows if row["part"] == PART and COST in row]


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The tables of the page about capacity; a word when nothing was measured."""
    costs = costs_of(rows)
    if not costs:
        return "Nothing was measured yet: `make bench ARGS=capacity`."
    return "\n\n".join(
        [
            f"### What an operation costs\n\n{_costs(costs)}",
            f"### One machine for everything, answers a second\n\n{_together(costs)}",
            f"### One primary alone, answers a second, and the cores of the API that feed it\n\n{_primary(costs)}",
            f"### Measured beside predicted\n\n{_checked(costs)}",
        ]
    )


def _costs(costs: Sequence[Cost]) -> str:
    lines = [
        "| operation | API, µs | database, µs | log, bytes | transactions |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {c.name} | {c.server_us:,.0f} | {c.database_us:,.0f} | {c.wal_bytes:,.0f} | {c.commits:.2f} |"
        for c in costs
    ]
    return "\n".join(lines)


def _together(costs: Sequence[Cost]) -> str:
    head = " | ".join(f"{cores} cores" for cores in CORES)
    lines = [f"| operation | loss at a second core | {head} |", f"|---|---|{'---|' * len(CORES)}"]
    for cost in costs:
        cells = []
        for cores in CORES:
            least, most = (_round(value) for value in together(cost, cores))
            cells.append(least if least == most else f"{least} to {most}")
        lines.append(f"| {cost.name} | {cost.serial:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _primary(costs: Sequence[Cost]) -> str:
    head = " | ".join(f"{cores} cores" for cores in CORES)
    lines = [f"| operation | {head} |", f"|---|{'---|' * len(CORES)}"]
    for cost in costs:
        cells = []
        for cores in CORES:
            rate, end = primary(cost, cores)
            if rate == float("inf"):
                cells.append("not the limit")
                continue
            cells.append(f"{_round(rate)} ({end}; API: {max(round(api_cores(cost, rate)), 1)} cores)")
        lines.append(f"| {cost.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _checked(costs: Sequence[Cost]) -> str:
    lines = [
        "| operation | one core, measured | two, from the one | two, from the costs | two, measured | of these |",
        "|---|---|---|---|---|---|",
    ]
    for cost in costs:
        predicted = (cost.linear_two, cost.counted_two)
        shares = " and ".join(f"{cost.two_cores / each:.0%}" if each else "-" for each in predicted)
        cells = [_round(value) for value in (cost.one_core, *predicted, cost.two_cores)]
        lines.append(f"| {cost.name} | {' | '.join(cells)} | {shares} |")
    return "\n".join(lines)


def _round(value: float) -> str:
    """Two digits that count: a model knows no more."""
    return f"{float(f'{value:.2g}'):,.0f}"
