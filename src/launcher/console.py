"""What the launcher says, and how it gives up."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LAST_LINES = 15


class Failure(Exception):
    """The start cannot go on. The message says what is missing and what a person can do about it."""


def say(message: str) -> None:
    """One line of progress. It goes to standard error, so that commands can print values on standard output."""
    print(f"==> {message}", file=sys.stderr, flush=True)


def last_lines(text: str, count: int = LAST_LINES) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-count:])


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for other programs: without the path that lets this package be found."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | dict(extra or {})


def run_quietly(command: Sequence[str | Path], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a long step with its output in a file; show the end of it only when it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=child_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        end = last_lines(log.read_text(encoding="utf-8", errors="replace"))
        words = " ".join(str(word) for word in command)
        raise Failure(f"`{words}` ended with code {done.returncode}:\n{end}\n    all of it: {log}")
