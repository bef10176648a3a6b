"""The table of goals: what a failed test leaves in it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.chaos import results
from tests.chaos.results import Goals, Result

BEFORE = [
    Result("R1", "nothing is lost", "10 of 10", held=True),
    Result("R2", "nothing is double", "3 steps", held=True),
]


@pytest.fixture
def goals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Goals:
    """Of a full run, after one in which all was well."""
    file = tmp_path / "results.json"
    monkeypatch.setattr(results, "FILE", file)
    results.keep(BEFORE)
    return Goals(goals_config())


def goals_config() -> Any:
    return SimpleNamespace(getoption=lambda _name: "full")


def report(goals: Goals, *, failed: bool) -> None:
    """A test that shows R1 has ended."""
    marks = {"shows": [pytest.mark.shows("R1").mark]}
    item: Any = SimpleNamespace(name="test_it", iter_markers=lambda name: marks.get(name, []))
    ended: Any = SimpleNamespace(failed=failed, passed=not failed, when="call")
    hook = goals.pytest_runtest_makereport(item)
    next(hook)
    with pytest.raises(StopIteration):
        hook.send(ended)


def test_an_earlier_figure_does_not_outlive_a_failure(goals: Goals) -> None:
    report(goals, failed=True)
    assert goals.merged() == [Result("R1", "nothing is lost", "test_it failed", held=False), BEFORE[1]]


def test_what_was_measured_before_the_failure_is_broken_too(goals: Goals) -> None:
    goals.note("R1", "nothing is lost", "11 of 11", held=True)
    report(goals, failed=True)
    broken = Result("R1", "nothing is lost", "11 of 11; test_it failed", held=False)
    assert goals.results == [broken]
    goals.note("R1", "nothing is lost", "12 of 12", held=True)
    assert goals.results == [Result("R1", "nothing is lost", "12 of 12", held=False)]


def test_what_passes_breaks_nothing(goals: Goals) -> None:
    goals.note("R1", "nothing is lost", "11 of 11", held=True)
    report(goals, failed=False)
    assert goals.merged() == [Result("R1", "nothing is lost", "11 of 11", held=True), BEFORE[1]]


PAIRS = ("R3", "all orders")
WORDS = "{orders:,} orders of {scenes} scenes"
HERE, THERE = "tests/chaos/test_results.py", "tests/chaos/results.py"


def play(goals: Goals, file: str, orders: int, scenes: int) -> None:
    """A file has shown its part of R3."""
    goals.pytest_runtest_logstart(f"{file}::test_it")
    goals.add(*PAIRS, {"orders": orders, "scenes": scenes}, words=WORDS)


def shown(goals: Goals) -> list[tuple[str, bool]]:
    return [(one.figure, one.held) for one in goals.results]


def ended(goals: Goals) -> Any:
    """What a process of several tells the first one."""
    session: Any = SimpleNamespace(config=SimpleNamespace(workeroutput={}))
    goals.pytest_sessionfinish(session)
    return SimpleNamespace(workeroutput=msgspec.json.decode(msgspec.json.encode(session.config.workeroutput)))


def test_files_that_show_one_goal_are_summed_up(goals: Goals) -> None:
    play(goals, HERE, 1_672, 6)
    play(goals, THERE, 394, 6)
    play(goals, HERE, 28, 0)
    assert shown(goals) == [("2,094 orders of 12 scenes", True)]
    assert {file: part.tried["orders"] for file, part in goals.results[0].parts.items()} == {HERE: 1_700, THERE: 394}


def test_processes_of_one_run_are_summed_up(goals: Goals) -> None:
    others = [Goals(goals_config()) for _ in range(2)]
    play(others[0], HERE, 1_672, 6)
    others[0].note("R1", "nothing is lost", "11 of 11", held=True)
    play(others[1], THERE, 394, 6)
    for other in others:
        goals.pytest_testnodedown(ended(other))
    assert shown(goals) == [("11 of 11", True), ("2,066 orders of 12 scenes", True)]


def test_files_that_a_run_leaves_out_are_as_they_were_last(goals: Goals) -> None:
    for file, orders in ((HERE, 1_672), (THERE, 394), ("tests/that_is_gone.py", 7)):
        play(goals, file, orders, 6)
    session: Any = SimpleNamespace(config=SimpleNamespace())
    goals.pytest_sessionfinish(session)
    again = Goals(goals_config())
    play(again, THERE, 400, 5)
    assert shown(again) == [("400 orders of 5 scenes", True)]
    assert [(one.figure, one.held) for one in again.merged() if one.id == "R3"] == [("2,072 orders of 11 scenes", True)]


@pytest.mark.parametrize("first", [True, False])
def test_one_broken_part_breaks_the_sum(goals: Goals, *, first: bool) -> None:
    """Until its file is run again and holds, also when another one is."""
    if not first:
        play(goals, HERE, 10, 1)
    goals.pytest_runtest_logstart(f"{HERE}::test_it")
    goals.fail("R3", "test_it")
    play(goals, THERE, 20, 2)
    figure = "20 orders of 2 scenes" if first else "30 orders of 3 scenes"
    assert shown(goals) == [(f"{figure}; test_it failed", False)]
    goals.pytest_sessionfinish(SimpleNamespace(config=SimpleNamespace()))  # type: ignore[arg-type]
    other, same = Goals(goals_config()), Goals(goals_config())
    play(other, THERE, 20, 2)
    play(same, HERE, 12, 1)
    assert [one.held for one in other.merged() if one.id == "R3"] == [False]
    assert [(one.figure, one.held) for one in same.merged() if one.id == "R3"] == [("32 orders of 3 scenes", True)]


def test_a_failure_is_counted_where_tests_are(goals: Goals) -> None:
    for lost, unit in ((0, "forgeries"), (1, "replays"), (0, "forgeries")):
        goals.add("S4", "none is let in", {unit: 1_000}, lost)
    assert shown(goals) == [("2,000 forgeries, 1,000 replays, 1 tests failed", False)]


def test_who_reads_the_file_finds_the_goals_and_nothing_else(goals: Goals) -> None:
    goals.file = __file__
    goals.add("R3", "in all orders", {"orders": 7}, words="{orders} orders")
    results.keep(goals.merged())
    rows = msgspec.json.decode(results.FILE.read_bytes())
    assert rows == [
        {"id": "R1", "goal": "nothing is lost", "figure": "10 of 10", "held": True},
        {"id": "R2", "goal": "nothing is double", "figure": "3 steps", "held": True},
        {"id": "R3", "goal": "in all orders", "figure": "7 orders", "held": True},
    ]
    # And a later run finds of what it is the sum.
    assert results.earlier()[2] == goals.results[0]
