"""Where the migrations are, and which one this code expects."""

from functools import cache
from pathlib import Path

# The environment lies beside `src/`; an installed package runs the commands from its project folder.
ALEMBIC = Path(__file__).resolve().parents[3] / "alembic"
VERSION_TABLE = "alembic_version"


def migrations_folder() -> Path:
    """The folder of Alembic's environment."""
    return ALEMBIC if ALEMBIC.is_dir() else Path("alembic")


@cache
def newest_revision() -> str:
    """The revision that this code expects, read from the migration files' names (`0003_accounts.py` is `0003`)."""
    names = sorted(path.stem for path in (migrations_folder() / "versions").glob("[0-9]*.py"))
    return names[-1].partition("_")[0] if names else ""
