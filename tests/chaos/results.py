"""What each suite has measured: one table at the end of a run, and `results.json` after full ones.

Of goals that several files show, `parts.json` beside it keeps what each has tried, so that one of them can run alone.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

FILE = Path(__file__).with_name("results.json")
ROOT = Path(__file__).resolve().parents[2]
SENT = "goals"
WORDS = "{tried}, {lost} tests failed"
# What a whole measurement shows: of each of these there is a row, measured or not.
EXPECTED = (
    "M1",
    *("R0", "R0b", "R1", "R1b", "R1c", "R1d", "R2", "R3", "R4", "R5", "R6", "R7"),
    *("R8 client", "R8 database", "R8 provider", "R9", "R9c", "R10", "R11", "R12", "R13a", "R13b", "R13c"),
    *("R14", "R15", "R16", *(f"R17{letter}" for letter in "abcdefghijkt"), "R18", "R19", "R20"),
    *("S1", "S2", "S3", "S3a", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "S11", "S12", "S13", "S14", "S15"),
)
NOT_MEASURED = ("its test was not run, or did not come to its end", "not measured")


class Part(msgspec.Struct):
    """What one file has tried, in its units, how much of that failed, and which tests that show the goal."""

    tried: dict[str, int] = {}
    lost: int = 0
    failed: list[str] = []


class Sum(msgspec.Struct, frozen=True):
    """The `parts` of a goal, by file, and the `words` of their sum."""

    words: str
    parts: dict[str, Part]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """`goal` is the line to pass, `figure` what was measured; of `parts`, by file, the `words` of their sum."""

    id: str
    goal: str
    figure: str
    held: bool
    words: str = ""
    parts: dict[str, Part] = {}


class Goals:
    """A plugin: collects the results of a run, from all its processes."""

    def __init__(self, config: pytest.Config) -> None:
        self.full = config.getoption("--rounds") == "full"
        # With it, or with runs before it, everything was to be measured.
        self.whole = bool(config.getoption("--whole"))
        self.results: list[Result] = []
        # What runs now.
        self.file = ""
        # The tests that failed, by goal that they show and by file: those are broken, whatever was measured.
        self._broken: dict[str, dict[str, Part]] = {}

    def note(self, number: str, goal: str, figure: str, *, held: bool) -> None:
        """A goal's result; parts of a goal that are measured apart bear a letter: R1a."""
        self._put(Result(number, goal, figure, held and number not in self._broken))

    def add(self, number: str, goal: str, tried: Mapping[str, int], lost: int = 0, words: str = WORDS) -> None:
        """A part of a goal that several tests and files show: what they have tried is summed up by its units.

        `words` may name each unit, all of them as `tried`, and what was `lost`.
        """
        known = self._known(number)
        parts = known.parts if known and known.parts else self._broken.get(number, {})
        self._put(summed(number, goal, words, joined(parts, {self.file: Part(dict(tried), lost)})))

    def fail(self, number: str, test: str) -> None:
        """A test that shows a goal failed, before it noted a figure or after it: an earlier run's must not stand."""
        broken = {self.file: Part(failed=[test])}
        self._broken[number] = joined(self._broken.get(number, {}), broken)
        now = self._known(number)
        known = now or next((one for one in earlier() if one.id == number), None)
        if known and known.parts:
            parts = joined(now.parts if now else {}, broken)
            self._put(summed(number, known.goal, known.words, parts))
            return
        goal = known.goal if known else test
        figure = now.figure if now else ""
        self.note(number, goal, f"{figure}; {test} failed".removeprefix("; "), held=False)

    def _known(self, number: str) -> Result | None:
        return next((one for one in self.results if one.id == number), None)

    def _put(self, result: Result) -> None:
        self.results = [*(one for one in self.results if one.id != result.id), result]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.file = nodeid.partition("::")[0]

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
                count = mark.kwargs.get("full", quick) if self.full else quick
                self.add(number, goal, {unit: count}, lost=int(report.failed))
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output: Any = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[SENT] = [msgspec.to_builtins(one) for one in self.results]
        elif self.full and (self.results or self.whole):
            keep(self.merged())
            if self.unmeasured():
                session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        for result in msgspec.convert(getattr(node, "workeroutput", {}).get(SENT, []), list[Result]):
            known = self._known(result.id)
            self._put(together(known, result) if known else result)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        quiet = not self.full and terminalreporter.config.get_verbosity() < 1
        if quiet or not (self.results or self.unmeasured()):
            return
        shown = self.merged() if self.full else sorted(self.results, key=_place)
        goals = max(len(one.goal) for one in shown)
        terminalreporter.section("goals")
        for one in shown:
            verdict = "held" if one.held else "BROKEN"
            terminalreporter.write_line(f"{one.id:<5} {verdict:<7} {one.goal:<{goals}}  {one.figure}")

    def merged(self) -> list[Result]:
        """This run's results, and of the goals, and of a goal's files, that it has not measured the last ones."""
        last = {one.id: one for one in earlier()}
        now = [_with_other_files(one, last[one.id]) if one.parts and one.id in last else one for one in self.results]
        missing = {number: Result(number, *NOT_MEASURED, held=False) for number in self.unmeasured()}
        return sorted({**missing, **last, **{one.id: one for one in now}}.values(), key=_place)

    def unmeasured(self) -> list[str]:
        """After a whole measurement the goals of which nobody noted anything: their tests crashed, or were left out."""
        there = {one.id for one in (*earlier(), *self.results) if one.figure != NOT_MEASURED[1]}
        return [number for number in EXPECTED if number not in there] if self.whole else []


def summed(number: str, goal: str, words: str, parts: Mapping[str, Part]) -> Result:
    """A goal's result as its parts make it: broken when one of them is."""
    tried: Counter[str] = Counter()
    for part in parts.values():
        tried.update(part.tried)
    lost = sum(part.lost for part in parts.values())
    failed = [test for part in parts.values() for test in part.failed]
    counts = ", ".join(f"{count:,} {unit}" for unit, count in tried.items())
    figure = words.format_map({**tried, "tried": counts, "lost": lost}) if tried else ""
    said = "; ".join([figure, *(f"{test} failed" for test in failed)]).removeprefix("; ")
    return Result(number, goal, said, not lost and not failed, words, dict(parts))


def joined(one: Mapping[str, Part], other: Mapping[str, Part]) -> dict[str, Part]:
    """Parts of both, those of one file added up."""
    both = dict(one)
    for file, part in other.items():
        mine = both.get(file, Part())
        tried = Counter(mine.tried)
        tried.update(part.tried)
        both[file] = Part(dict(tried), mine.lost + part.lost, mine.failed + part.failed)
    return both


def together(one: Result, other: Result) -> Result:
    """What two processes of one run have measured of one goal."""
    if one.parts and other.parts:
        return summed(one.id, one.goal, one.words, joined(one.parts, other.parts))
    return Result(one.id, one.goal, f"{one.figure}; {other.figure}", one.held and other.held)


def _with_other_files(now: Result, last: Result) -> Result:
    """The sum of a run's files and of those that it has left out, as they were last; what is gone counts no more."""
    there = {file: part for file, part in last.parts.items() if (ROOT / file).exists()}
    return summed(now.id, now.goal, now.words, there | now.parts)


def keep(results: Sequence[Result]) -> None:
    """For the next run, and for who reads them."""
    rows = [{name: getattr(one, name) for name in ("id", "goal", "figure", "held")} for one in results]
    _write(FILE, rows)
    _write(_sums(), {one.id: Sum(one.words, one.parts) for one in results if one.parts})


def earlier() -> list[Result]:
    """The results of the runs before this one."""
    if not FILE.exists():
        return []
    rows = msgspec.json.decode(FILE.read_bytes(), type=list[Result])
    sums = msgspec.json.decode(_sums().read_bytes(), type=dict[str, Sum]) if _sums().exists() else {}
    return [_with(one, sums[one.id]) if one.id in sums else one for one in rows]


def _with(one: Result, found: Sum) -> Result:
    return msgspec.structs.replace(one, words=found.words, parts=found.parts)


def _sums() -> Path:
    return FILE.with_name("parts.json")


def _write(file: Path, content: Any) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _place(result: Result) -> tuple[str, int, str]:
    """By letter, then by number: R2 before R10."""
    number = "".join(one for one in result.id[1:] if one.isdecimal())
    return result.id[0], int(number or 0), result.id
