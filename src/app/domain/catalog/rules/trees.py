"""The category tree: two levels are shown, deeper nodes are counted into their second-level ancestor."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec


class Node(msgspec.Struct, frozen=True):
    """A category with the number of its own available products."""

    id: int
    name: str
    slug: str
    parent_id: int | None
    products: int


class Branch(msgspec.Struct, frozen=True):
    """A node as it is shown: `products` counts everything below it too."""

    node: Node
    products: int
    children: tuple["Branch", ...] = ()


def two_levels(nodes: Iterable[Node]) -> list[Branch]:
    """The roots with their children, both in the order given."""
    below: dict[int | None, list[Node]] = defaultdict(list)
    for node in nodes:
        below[node.parent_id].append(node)
    return [_root(node, below) for node in below[None]]


def _root(node: Node, below: Mapping[int | None, list[Node]]) -> Branch:
    children = tuple(Branch(child, _total(child, below)) for child in below.get(node.id, ()))
    return Branch(node, node.products + sum(child.products for child in children), children)


def _total(node: Node, below: Mapping[int | None, list[Node]]) -> int:
    total, waiting = 0, [node]
    while waiting:
        seen = waiting.pop()
        total += seen.products
        waiting.extend(below.get(seen.id, ()))
    return total
