"""What a suite of many tests has counted so far, noted as one result."""

from collections import Counter

from tests.chaos.results import Goals


class Findings:
    """Counts by goal: what was tried, and what was found."""

    def __init__(self, goals: Goals) -> None:
        self._goals = goals
        self._tried: Counter[tuple[str, str]] = Counter()
        self._found: Counter[str] = Counter()

    def add(self, number: str, goal: str, tried: int, found: int, unit: str) -> None:
        """To be called before the test asserts, so that a broken goal is noted as broken."""
        self._tried[number, unit] += tried
        self._found[number] += found
        counts = ", ".join(f"{count} {name}" for (of, name), count in self._tried.items() if of == number)
        self._goals.note(number, goal, f"{counts}, {self._found[number]} found", held=self._found[number] == 0)
