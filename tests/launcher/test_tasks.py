"""What `make chaos` measures, and of what it forgets the last figure."""

from pathlib import Path

import pytest

from launcher import tasks


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The arguments of each pytest that would run; the second one fails."""
    found: list[tuple[str, ...]] = []

    def noted(*arguments: str) -> int:
        found.append(arguments)
        return len(found) - 1

    monkeypatch.setattr(tasks, "_pytest", noted)
    monkeypatch.setattr(tasks, "GOALS", (tmp_path / "results.json",))
    tasks.GOALS[0].write_text("[]", encoding="utf-8")
    return found


@pytest.mark.parametrize("arguments", [(), ("tests/chaos/test_soak.py",)])
def test_only_a_whole_measurement_misses_what_was_not_measured(
    runs: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(tasks, "_arguments", lambda: arguments)
    assert tasks.chaos() == 1
    whole = not arguments
    assert ["--whole" in run for run in runs] == [False, whole]
    assert tasks.GOALS[0].exists() != whole
