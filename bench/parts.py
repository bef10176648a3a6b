"""The parts of the benchmark, in the order in which they are measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import (
    audience,
    capacity,
    catalogue,
    figures,
    growth,
    holds,
    jobs,
    logins,
    memory,
    orders,
    start,
    webhooks,
)
from bench.context import Bench
from bench.plan import Mode
from bench.rows import Row


@dataclass(frozen=True)
class Part:
    """One part by its name, as `ARGS` has it, and the title of its figures. `rows` makes them."""

    name: str
    title: str
    rows: Callable[[Bench], list[Row]]
    # Whether the peer's environment must be there.
    peer: bool = False
    # Whether it is measured at several sizes, and so only where a mode has them.
    sizes: bool = False


PARTS = (
    Part(holds.PART, "Holds", holds.measure, peer=True),
    Part(catalogue.PART, "Lists of products", catalogue.measure, peer=True),
    Part(orders.PART, "Orders", orders.measure, peer=True),
    Part(audience.PART, "Audiences", audience.measure, peer=True),
    Part(jobs.PART, "Pushes and jobs", jobs.measure, peer=True),
    Part(logins.PART, "Logins", logins.measure),
    Part(webhooks.PART, "Webhooks", webhooks.measure),
    Part(figures.PART, "Statistics", figures.measure),
    Part(start.PART, "Start", start.measure),
    Part(memory.PART, "Memory", memory.measure),
    Part(capacity.PART, "Costs of an operation, and more cores", capacity.measure),
    Part(growth.PART, "Growth", growth.measure, sizes=True),
)
NAMES = tuple(part.name for part in PARTS)


def chosen(names: Sequence[str], mode: Mode) -> list[Part]:
    """The parts that are named, or all that the mode has. Raises SystemExit for a name that no part has."""
    if unknown := sorted(set(names) - set(NAMES)):
        raise SystemExit(f"no part is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return [part for part in PARTS if (part.name in names if names else mode.sizes or not part.sizes)]
