"""A row of the result: its keys, its medians, what counts as met."""

import pytest
from bench.rows import KEYS, MORE, row, shares, speedups

OURS, PEER, LIMIT = [900.0, 1000.0, 1234.6], [100.0, 50.0, 60.0], [2000.0, 2000.0, 2000.0]


def test_a_row_has_exactly_these_keys() -> None:
    found = row(
        "holds", "hold", "holds/s", OURS, peer=PEER, limit=LIMIT, ratios=shares(OURS, PEER), clients=32, least=20
    )
    assert found == {
        "part": "holds",
        "scenario": "hold",
        "unit": "holds/s",
        "clients": 32,
        "ours": 1000,
        "peer": 60.0,
        "limit": 2000,
        "ratio": 20.0,
        "spread": [9.0, 20.58],
        "rounds": 3,
        "goal": 20,
        "bound": "least",
        "of": "ratio",
        "met": True,
    }
    assert set(found) == {*KEYS, *MORE}


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    # The ratio of the medians would be 16.67.
    assert row("p", "s", "u", OURS, peer=PEER, ratios=shares(OURS, PEER))["ratio"] == 20.0


@pytest.mark.parametrize(
    ("asked", "met"),
    [({"least": 2.0}, True), ({"least": 2.1}, False), ({"most": 2.0}, True), ({"most": 1.9}, False), ({}, None)],
)
def test_a_goal_is_met_at_its_bound(asked: dict[str, float], met: bool | None) -> None:
    found = row("p", "s", "u", [4.0], peer=[2.0], ratios=[2.0], **asked)
    assert found["met"] is met
    assert found["goal"] == next(iter(asked.values()), None)
    assert found["bound"] == next(iter(asked), None)


def test_a_goal_may_be_of_our_own_figure() -> None:
    found = row("p", "s", "ms", [40.0], peer=[10.0], ratios=[4.0], most=50, of="ours")
    assert (found["met"], found["of"], found["ratio"]) == (True, "ours", 4.0)


def test_without_a_peer_the_spread_is_ours() -> None:
    found = row("p", "s", "ms", [3.0, 1.0, 2.0], most=2)
    assert (found["ours"], found["peer"], found["limit"], found["ratio"]) == (2.0, None, None, None)
    assert (found["spread"], found["of"], found["met"]) == ([1.0, 3.0], "ours", True)


def test_a_ratio_of_rates_and_one_of_times() -> None:
    assert shares([10, 30], [5, 10]) == [2, 3]
    assert speedups([5, 10], [10, 30]) == [2, 3]
    with pytest.raises(ValueError, match="argument 2 is longer"):
        shares([1.0], [1.0, 2.0])


def test_figures_have_four_digits() -> None:
    assert row("p", "s", "u", [0.0123456])["ours"] == 0.01235
    assert row("p", "s", "u", [123456.7])["ours"] == 123457
