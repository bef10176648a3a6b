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
    file.write_bytes(msgspec.json.encode(BEFORE))
    monkeypatch.setattr(results, "FILE", file)
    config: Any = SimpleNamespace(getoption=lambda _name: "full")
    return Goals(config)


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
