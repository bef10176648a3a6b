"""The planted bugs fit the code, and some of them are noticed; `make mutants` shows all."""

import pytest

from tests.chaos.results import Goals
from tests.mutants.__main__ import planted, races
from tests.mutants.planted import PLANTED
from tests.mutants.trees import ROOT, OutOfDate, replaced

QUICK = ("a token outlives the end of its session", "an error is answered, and what was done stays")


@pytest.mark.parametrize("bug", PLANTED)
def test_every_bug_can_be_planted(bug: str) -> None:
    for file, old, new in PLANTED[bug].changes:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert replaced(text, file, old, new) != text
    for name in PLANTED[bug].seen_by:
        file, _, test = name.partition("::")
        assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8")


def test_a_bug_that_does_not_fit_is_an_error() -> None:
    for text in ("", "twice twice"):
        with pytest.raises(OutOfDate, match="has this"):
            replaced(text, "a file", "twice", "once")


@pytest.mark.shows("M1")
def test_bugs_are_noticed(full_rounds: bool, goals: Goals) -> None:
    rows = planted(list(PLANTED) if full_rounds else QUICK)
    if full_rounds:
        rows += races()
    bugs, missed = {row.bug for row in rows}, sorted({row.bug for row in rows if not row.caught})
    goals.note("M1", "each of >= 15 planted bugs is caught", f"{len(bugs) - len(missed)}/{len(bugs)}", held=not missed)
    assert missed == []
    assert len(bugs) >= (15 if full_rounds else len(QUICK))
