"""The table of goals: what a failed test leaves in it."""

import re
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


def goals_config(*, whole: bool = False) -> Any:
    return SimpleNamespace(getoption={"--rounds": "full", "--whole": whole}.__getitem__)


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


def finished(goals: Goals) -> int:
    """The run ends; the code it ends with."""
    session: Any = SimpleNamespace(config=SimpleNamespace(), exitstatus=0)
    goals.pytest_sessionfinish(session)
    return int(session.exitstatus)


def test_what_nobody_measured_is_broken(goals: Goals) -> None:
    """A whole measurement of two runs, of which the first has kept its results: the rest crashed, or was left out."""
    whole = Goals(goals_config(whole=True))
    whole.note("R9", "writes are back", "2 s", held=True)
    assert finished(whole) == pytest.ExitCode.TESTS_FAILED
    rows = {one.id: (one.figure, one.held) for one in results.earlier()}
    assert set(rows) == set(results.EXPECTED)
    assert {number for number, row in rows.items() if row != ("not measured", False)} == {"R1", "R2", "R9"}
    # And it is in the table, which is written after that.
    lines: list[str] = []
    reporter: Any = SimpleNamespace(
        config=SimpleNamespace(get_verbosity=lambda: 0), section=lines.append, write_line=lines.append
    )
    whole.pytest_terminal_summary(reporter)
    assert sum("BROKEN" in line and "not measured" in line for line in lines) == len(results.EXPECTED) - 3
    # What is measured afterwards is measured; the rest stays as it was.
    goals.note("R20", "nothing grows", "0 %", held=True)
    assert finished(goals) == 0
    rows = {one.id: (one.figure, one.held) for one in results.earlier()}
    assert (rows["R20"], rows["R19"]) == (("0 %", True), ("not measured", False))


def test_a_run_of_some_misses_nothing(goals: Goals) -> None:
    goals.note("R1", "nothing is lost", "11 of 11", held=True)
    assert finished(goals) == 0
    assert [one.id for one in results.earlier()] == ["R1", "R2"]


def test_a_whole_measurement_of_everything_is_well(goals: Goals) -> None:
    whole = Goals(goals_config(whole=True))
    for number in results.EXPECTED:
        whole.note(number, "a goal", "well", held=True)
    assert finished(whole) == 0
    assert all(one.held for one in results.earlier())


NOTED = re.compile(r"""(?:shows|goal|note|add)\(\s*"([MRS][0-9]+[a-z]?)"|"(R(?:13|17)[a-z])":""")


def test_every_goal_that_a_test_shows_is_expected() -> None:
    """Those of tables, such as R17's kinds, have their names in them."""
    files = [file for file in (results.ROOT / "tests").rglob("*.py") if file.name != "test_results.py"]
    found = {
        name for file in files for pair in NOTED.findall(file.read_text(encoding="utf-8")) for name in pair if name
    }
    assert found - set(results.EXPECTED) == set()
    numbers = {re.sub(r"(?<=\d)\D.*", "", name) for name in results.EXPECTED}
    assert numbers == {"M1", *(f"R{number}" for number in range(21)), *(f"S{number}" for number in range(1, 16))}
    assert set(results.EXPECTED) - found >= {"R8 client", "R8 database", "R8 provider"}


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
    finished(goals)
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
    finished(goals)
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
