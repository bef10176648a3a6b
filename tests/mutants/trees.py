"""A copy of the project with a bug in it, and what tests say there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from tests.conftest import template_name
from tests.mutants.planted import Planted

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", "media")
# Longer than all tests that are named together.
SECONDS = 600
_VERDICT = re.compile(r"^(PASSED|FAILED|ERROR) (\S+::.+?)(?: - .*)?$", re.MULTILINE)


class OutOfDate(Exception):
    """What a mutant replaces is not there, or more than once: the list has to follow the code."""


@contextmanager
def tree(planted: Planted | None) -> Iterator[Path]:
    """A copy of the project for as long as the block lasts. Raises OutOfDate."""
    with TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder, "project")
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        for file, old, new in planted.changes if planted else ():
            path = copy / file
            path.write_text(replaced(path.read_text(encoding="utf-8"), file, old, new), encoding="utf-8")
        yield copy


def replaced(text: str, file: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise OutOfDate(f"{file} has this {text.count(old)} times:\n{old}")
    return text.replace(old, new)


def verdicts(folder: Path, tests: Iterable[str], environ: dict[str, str], rounds: str = "quick") -> dict[str, str]:
    """What became of the tests in a tree, by their ids: PASSED, FAILED or ERROR; those of one that has several too."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-rA", "--tb=no", "-p", "no:cacheprovider"]
    command += [f"--rounds={rounds}", *tests]
    paths = {"PYTHONPATH": f"{folder / 'src'}:{folder}"}
    done = subprocess.run(  # noqa: S603 - this Python
        command, cwd=folder, env={**environ, **paths}, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    found = {name: verdict for verdict, name in _VERDICT.findall(done.stdout)}
    if not found:
        raise RuntimeError(f"no test ran:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return found


async def forget_template(folder: Path) -> None:
    """The database that was made from a tree's own migrations."""
    connection = await asyncpg.connect(os.environ["TEST_DATABASE_URL"])
    name = template_name(folder)
    try:
        if name != template_name() and await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE false')
            await connection.execute(f'DROP DATABASE "{name}"')
    finally:
        await connection.close()


def of(name: str, found: dict[str, str]) -> set[str]:
    """The verdicts on a test, or on all cases of it when none is named."""
    return {verdict for case, verdict in found.items() if case == name or case.startswith(f"{name}[")}
