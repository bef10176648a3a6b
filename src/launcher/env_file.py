"""The `.env` that `make up` writes, so that `litestar ...` and `relampago ...` work in the project by themselves."""

from collections.abc import Mapping
from pathlib import Path

from launcher.project import APP_FACTORY, ENV_FILE, MARK, write_private

INTRODUCTION = f"""\
# Written by `make up`. `.env.example` explains every setting; the environment beats this file.
LITESTAR_APP={APP_FACTORY}
"""
EXPLANATION = "# They lead the command line to the private database while it runs. Put settings of your own above."


def write(generated: Mapping[str, str], path: Path = ENV_FILE) -> None:
    """Keep what a person wrote and renew what is below the mark."""
    own = path.read_text(encoding="utf-8").split(MARK)[0] if path.exists() else INTRODUCTION
    lines = [f"{name}={value}" for name, value in generated.items()]
    text = own.rstrip("\n") + "\n\n" + "\n".join([MARK, EXPLANATION, *lines]) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)


def forget(path: Path = ENV_FILE) -> None:
    """Remove what was generated, and the file if nothing else is in it."""
    if not path.exists():
        return
    own = path.read_text(encoding="utf-8").split(MARK)[0].strip() + "\n"
    if own == INTRODUCTION:
        path.unlink()
    else:
        write_private(path, own)
