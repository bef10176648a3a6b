"""What the model of capacity predicts."""

import math

import pytest
from bench import model
from bench.growth import logarithm
from bench.memory import a_minute, parts_of

COST = model.Cost("hold", 200, 50, 50, 1000, 0.1, one_core=3000, two_cores=6000)
LOSING = model.Cost("order", 800, 200, 250, 10_000, 1, one_core=600, two_cores=1000)
READING = model.Cost("page", 500, 0, 50, 0, 0, one_core=1000, two_cores=2000)


def test_a_perfect_second_core_leaves_nothing_serial() -> None:
    assert COST.serial == 0
    assert model.together(COST, 8) == (pytest.approx(25_600), pytest.approx(25_600))


def test_what_a_second_core_loses_is_amdahls_serial_part() -> None:
    # 1000 / 600 = 1 / (s + (1 - s) / 2)
    assert LOSING.serial == pytest.approx(0.2)
    assert model.speed_up(2, LOSING.serial) == pytest.approx(1000 / 600)
    assert model.speed_up(10**9, LOSING.serial) == pytest.approx(5)
    assert model.together(LOSING, 32) == (pytest.approx(800 / (0.2 + 0.8 / 32)), pytest.approx(25_600))


def test_a_second_core_that_helps_more_than_twice_is_no_gain_for_others() -> None:
    assert model.Cost("x", 1, 1, 0, 0, 0, one_core=100, two_cores=250).serial == 0


def test_a_primary_ends_where_its_cores_or_its_log_do() -> None:
    assert model.primary(COST, 8) == (pytest.approx(128_000), "its cores")
    assert model.primary(LOSING, 32) == (pytest.approx(50_000), "the log's disk")
    assert model.primary(READING, 2)[0] == math.inf
    assert model.api_cores(COST, 128_000) == pytest.approx(32)


def test_the_page_says_what_was_measured_of_the_prediction() -> None:
    rows = [
        {"part": "capacity", "cost": vars(LOSING)},
        {"part": "capacity"},
        {"part": "holds", "cost": vars(COST)},
    ]
    page = model.page(rows)
    assert "| order | 600 | 1,200 | 1,600 | 1,000 | 83% and 62% |" in page
    assert "| order | 20% | 1,300 to 1,600 | 2,700 to 6,400 | 3,600 to 26,000 |" in page
    assert "hold" not in page
    assert model.page([]).startswith("Nothing was measured yet")


def test_growth_is_held_against_the_logarithm() -> None:
    assert logarithm((10_000, 100_000, 1_000_000)) == pytest.approx(1.5)
    assert logarithm((1000,)) == 1


def test_memory_is_compared_after_its_first_fifth() -> None:
    assert parts_of([1, 2, 10, 12, 20, 20, 20, 20, 30, 40]) == (11, 35)
    assert parts_of([5.0]) == (5.0, 5.0)


def test_memory_that_is_added_in_a_minute_is_a_line_after_the_first_fifth() -> None:
    # Ten looks in ten minutes; the jump of the first fifth is none of it.
    assert a_minute([1, 90, 100, 102, 104, 106, 108, 110, 112, 114], 600) == pytest.approx(2)
    assert a_minute([5.0], 600) == 0
