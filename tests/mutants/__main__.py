"""`make mutants`: every planted bug, and whether the tests that are to notice it do. Fails when one does not."""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tests.mutants.planted import PLANTED
from tests.mutants.trees import forget_template, of, tree, verdicts

RACES = "tests/races/test_mutants.py"


class Row(msgspec.Struct, frozen=True):
    """`caught` when every test that is to notice the bug failed, and passes without it."""

    bug: str
    seen_by: str
    caught: bool
    seconds: float = 0.0


def whole(bugs: Sequence[str]) -> dict[str, str]:
    """The verdicts on the project as it is of the tests that are to notice these."""
    names = list(dict.fromkeys(name for bug in bugs for name in PLANTED[bug].seen_by))
    with tree(None) as folder:
        return verdicts(folder, names, dict(os.environ))


def plant(bug: str, healthy: dict[str, str]) -> list[Row]:
    """What each test says with the bug in."""
    one, begun, rows = PLANTED[bug], time.monotonic(), []
    with tree(one) as folder:
        found = verdicts(folder, one.seen_by, dict(os.environ), one.rounds)
        if one.file.startswith("alembic/"):
            asyncio.run(forget_template(folder))
    for name in one.seen_by:
        caught = "FAILED" in of(name, found) and of(name, healthy) == {"PASSED"}
        rows.append(Row(bug, short(name), caught, time.monotonic() - begun))
    return rows


def races() -> list[Row]:
    """The guarded statements of holds, each broken in the races' own database: those tests pass when it shows."""
    begun = time.monotonic()
    with tree(None) as folder:
        found = verdicts(folder, [RACES], dict(os.environ))
    seconds = (time.monotonic() - begun) / max(len(found), 1)
    rows = []
    for name, verdict in found.items():
        race, _, bug = name.partition("[")[2].rstrip("]").partition(": ")
        if bug:
            won = f"{RACES}::test_the_race_is_won_here_too[{race}]"
            rows.append(Row(bug, f"races: {race}", {verdict, found.get(won)} == {"PASSED"}, seconds))
    return rows


def short(name: str) -> str:
    return name.removeprefix("tests/").replace(".py::", ": ")


def show(rows: Sequence[Row]) -> None:
    bugs, tests = max(len(row.bug) for row in rows), max(len(row.seen_by) for row in rows)
    for row in rows:
        verdict = "caught" if row.caught else "MISSED"
        print(f"{verdict}  {row.bug:<{bugs}}  {row.seen_by:<{tests}}  {row.seconds:4.0f} s")  # noqa: T201 - the table
    missed = {row.bug for row in rows if not row.caught}
    print(f"{len({row.bug for row in rows})} planted bugs, {len(missed)} missed")  # noqa: T201


def planted(bugs: Sequence[str]) -> list[Row]:
    """Some bugs, as many at a time as there are processors."""
    healthy = whole(bugs)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [row for found in pool.map(lambda bug: plant(bug, healthy), bugs) for row in found]


def main(chosen: Sequence[str]) -> int:
    """Bugs whose names have one of the words, or all of them."""
    rows = planted([bug for bug in PLANTED if not chosen or any(word in bug for word in chosen)])
    if not chosen:
        rows += races()
    show(rows)
    return 0 if rows and all(row.caught for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
