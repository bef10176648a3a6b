"""The orders that are played: all of them, or one of all those that are all one."""

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import permutations
from typing import Any

import pytest

from tests.races.interleaving import (
    APART,
    PROVIDER,
    SHOP,
    Act,
    Kind,
    Orders,
    Scene,
    Taken,
    act_of,
    alike,
    every_order,
    next_turn,
)

Order = tuple[int, ...]
ACTS = [Act(kind, where) for kind in Kind for where in (SHOP, PROVIDER, None)]


class Paper:
    """A director of works that only say what they do."""

    def __init__(self, works: Sequence[Sequence[Act]]) -> None:
        self.works = works
        self.played: list[Order] = []

    async def play(
        self, _pieces: Any, turns: Sequence[int], asleep: AbstractSet[int] = frozenset()
    ) -> tuple[list[Any], Taken]:
        left = {number: list(work) for number, work in enumerate(self.works)}
        taken: Taken = []
        while able := {number: acts[0] for number, acts in left.items() if acts}:
            turn, asleep = next_turn(turns, taken, able, asleep)
            taken.append(turn)
            del left[turn.of][0]
        self.played.append(tuple(turn.of for turn in taken))
        return [], taken

    def kinds(self) -> dict[Order, int]:
        """All orders, each with the number of those that it is like: what turns of it that are all one can become."""
        found: dict[Order, int] = {}
        for number, order in enumerate(set(permutations([of for of, work in enumerate(self.works) for _ in work]))):
            waiting = [order]
            while waiting:
                if (one := waiting.pop()) not in found:
                    found[one] = number
                    waiting += self._like(one)
        return found

    def _like(self, order: Order) -> list[Order]:
        acts = [self.works[of][order[:place].count(of)] for place, of in enumerate(order)]
        return [
            (*order[:place], order[place + 1], order[place], *order[place + 2 :])
            for place in range(len(order) - 1)
            if order[place] != order[place + 1] and alike(acts[place], acts[place + 1])
        ]


async def nothing() -> Scene:
    async def judge(_outcomes: list[Any]) -> None:
        return

    return [], judge


@pytest.mark.parametrize("seed", range(40))
async def test_each_order_is_played_or_one_that_is_all_one(seed: int) -> None:
    chance = random.Random(seed)
    sizes = chance.choice([(4, 4), (4, 3), (3, 1), (2, 2, 2)])
    paper = Paper([[chance.choice(ACTS) for _ in range(size)] for size in sizes])
    kinds = paper.kinds()
    assert await every_order(paper, nothing) == len(kinds)  # type: ignore[arg-type]
    assert sorted(paper.played) == sorted(kinds)
    paper.played.clear()
    assert await every_order(paper, nothing, Orders(once=True)) <= len(kinds)  # type: ignore[arg-type]
    assert {kinds[order] for order in paper.played} == set(kinds.values())


async def test_works_that_notice_nothing_of_each_other_are_played_few_times() -> None:
    paper = Paper([[Act(Kind.READ, SHOP)] * 8] * 2)
    assert await every_order(paper, nothing, Orders(once=True)) < 20  # type: ignore[arg-type]
    paper = Paper([[Act(Kind.TAKE, SHOP)] * 4] * 2)
    assert await every_order(paper, nothing, Orders(once=True)) == 70  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statement", "act"),
    [
        ("SELECT payment.id, payment.status \nFROM payment \nWHERE payment.id = $1", Act(Kind.READ, SHOP)),
        ("SELECT payment.id \nFROM payment \nWHERE payment.id = $1 FOR UPDATE", Act(Kind.TAKE, SHOP)),
        ("SELECT p.id \nFROM payment p FOR KEY SHARE", Act(Kind.TAKE, SHOP)),
        ("INSERT INTO payment_charge (payment_id) VALUES ($1)", Act(Kind.TAKE, SHOP)),
        ("WITH gone AS (DELETE FROM coupon_use RETURNING id) SELECT count(*) FROM gone", Act(Kind.TAKE, SHOP)),
        ("SELECT stock_put($1) FROM stock_pool", Act(Kind.ANYTHING, SHOP)),
        ("SELECT clock_timestamp()", Act(Kind.ANYTHING, None)),
        ("UPDATE payment_notification SET outcome = $1", Act(Kind.TAKE, APART)),
        ("UPDATE payment_notification n SET outcome = $1 FROM payment p", Act(Kind.TAKE, None)),
    ],
)
def test_what_a_statement_does(statement: str, act: Act) -> None:
    assert act_of(statement) == act
