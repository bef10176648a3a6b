"""Migrations and demo data, each left out when a look shows that it is done."""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.console import Failure, child_environment, say
from launcher.database import Database
from launcher.project import ROOT, VAR, VENV_PYTHON

REVISION = "SELECT string_agg(version_num, ',' ORDER BY version_num) FROM alembic_version"


def command_line(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a command of the application, its output on the terminal."""
    command = [str(VENV_PYTHON), "-m", "app", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=child_environment(environment), stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failure(f"`relampago {' '.join(arguments)}` ended with code {done.returncode}; what it said is above")


def migrate(database: Database, environment: Mapping[str, str]) -> None:
    say("migrating the database")
    command_line(["database", "upgrade", "--no-prompt"], {**environment, "DATABASE_ADMIN_URL": database.admin_url})
    _note(database, "migrated", _schema_mark(database))


def migrate_if_needed(database: Database, environment: Mapping[str, str]) -> None:
    """The upgrade takes a second or two to find out that there is nothing to do; this takes milliseconds."""
    if database.cluster is None or not _noted(database, "migrated", _schema_mark(database)):
        migrate(database, environment)


def load_demo_once(database: Database, environment: Mapping[str, str]) -> None:
    if _noted(database, "demo", "loaded"):
        return
    say("loading the demo data")
    command_line(["demo", "load"], environment)
    _note(database, "demo", "loaded")


def _schema_mark(database: Database) -> str:
    """What the migrations say and where our own database stands."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "alembic").rglob("*")):
        if path.suffix in {".py", ".sql"}:
            digest.update(path.name.encode() + path.read_bytes())
    return f"{digest.hexdigest()} {database.cluster.query(REVISION) if database.cluster else ''}"


def _note(database: Database, name: str, text: str) -> None:
    path = _note_path(database, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _noted(database: Database, name: str, text: str) -> bool:
    path = _note_path(database, name)
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _note_path(database: Database, name: str) -> Path:
    """Beside our own data, so that it goes when the data goes; another's database is known by its address."""
    if database.cluster:
        return database.cluster.home / name
    return VAR / "databases" / hashlib.sha256(database.url.encode()).hexdigest()[:16] / name
