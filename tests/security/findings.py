"""What the suites have tried and found, by goal, summed up over their tests and files."""

from tests.chaos.results import Goals

WORDS = "{tried}, {lost} found"


class Findings:
    """Counts by goal: what was tried, and what was found."""

    def __init__(self, goals: Goals) -> None:
        self._goals = goals

    def add(self, number: str, goal: str, tried: int, found: int, unit: str) -> None:
        """To be called before the test asserts, so that a broken goal is noted as broken."""
        self._goals.add(number, goal, {unit: tried}, found, WORDS)
