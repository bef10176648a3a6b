"""What each suite has measured: one table at the end of a run, and `results.json` after full ones."""

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest

FILE = Path(__file__).with_name("results.json")
SENT = "goals"


class Result(msgspec.Struct, frozen=True):
    """`goal` is the line to pass, `figure` what was measured."""

    id: str
    goal: str
    figure: str
    held: bool


class Goals:
    """A plugin: collects the results of a run, from all its processes."""

    def __init__(self, config: pytest.Config) -> None:
        self.full = config.getoption("--rounds") == "full"
        self.results: list[Result] = []
        # The names of the tests that failed so far.
        self.failed: set[str] = set()
        # By goal what its marked tests have tried, in their units, and how many of them failed.
        self._tried: dict[str, Counter[str]] = {}
        self._lost: Counter[str] = Counter()
        # The tests that failed, by the goals that they show: those are broken, whatever was measured.
        self._broken: dict[str, list[str]] = {}

    def note(self, number: str, goal: str, figure: str, *, held: bool) -> None:
        """A goal's result; parts of a goal that are measured apart bear a letter: R1a."""
        self.results = [one for one in self.results if one.id != number]
        self.results.append(Result(number, goal, figure, held and number not in self._broken))

    def fail(self, number: str, test: str) -> None:
        """A test that shows a goal failed, before it noted a figure or after it: an earlier run's must not stand."""
        self._broken.setdefault(number, []).append(test)
        now = next((one for one in self.results if one.id == number), None)
        known = now or next((one for one in earlier() if one.id == number), None)
        goal = known.goal if known else test
        figure = now.figure if now else ""
        self.note(number, goal, f"{figure}; {test} failed".removeprefix("; "), held=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Counts the tests that are marked with `goal(number, goal, unit, quick=1, full=quick)`: so many they try.

        A failed test breaks each goal that it `shows(number)`.
        """
        report = yield
        if report.failed:
            for mark in item.iter_markers("shows"):
                self.fail(mark.args[0], item.name)
        if report.failed or (report.when == "call" and report.passed):
            for mark in item.iter_markers("goal"):
                number, goal, unit = mark.args
                quick = mark.kwargs.get("quick", 1)
                tried = self._tried.setdefault(number, Counter())
                tried[unit] += mark.kwargs.get("full", quick) if self.full else quick
                self._lost[number] += report.failed
                counts = ", ".join(f"{count:,} {name}" for name, count in tried.items())
                lost = self._lost[number]
                self.note(number, goal, f"{counts}, {lost} tests failed", held=not lost)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: Any = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[SENT] = [msgspec.to_builtins(one) for one in self.results]
        elif self.full and self.results:
            FILE.write_bytes(msgspec.json.format(msgspec.json.encode(self.merged())) + b"\n")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.results += msgspec.convert(getattr(node, "workeroutput", {}).get(SENT, []), list[Result])

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.results or (not self.full and terminalreporter.config.get_verbosity() < 1):
            return
        shown = sorted(self.results, key=_place)
        goals = max(len(one.goal) for one in shown)
        terminalreporter.section("goals")
        for one in shown:
            verdict = "held" if one.held else "BROKEN"
            terminalreporter.write_line(f"{one.id:<5} {verdict:<7} {one.goal:<{goals}}  {one.figure}")

    def merged(self) -> list[Result]:
        """The results of this run, and of those that it has not measured the last ones."""
        now = {one.id for one in self.results}
        return sorted([*self.results, *(one for one in earlier() if one.id not in now)], key=_place)


def earlier() -> list[Result]:
    """The results of the runs before this one."""
    return msgspec.json.decode(FILE.read_bytes(), type=list[Result]) if FILE.exists() else []


def _place(result: Result) -> tuple[str, int, str]:
    """By letter, then by number: R2 before R10."""
    number = "".join(one for one in result.id[1:] if one.isdecimal())
    return result.id[0], int(number or 0), result.id
