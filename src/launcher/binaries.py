"""Finds PostgreSQL binaries that have PostGIS."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)
# \getenv, which roles.sql needs, came with psql 14.
OLDEST_MAJOR = 14
NEEDED = ("postgres", "initdb", "pg_ctl", "psql")


@dataclass(frozen=True, order=True)
class Binaries:
    """One installation; a newer major version sorts last."""

    major: int
    folder: Path

    def tool(self, name: str) -> str:
        return str(self.folder / name)


def find_all() -> list[Binaries]:
    """Every installation with PostGIS, the newest first."""
    found = {
        Binaries(major, folder)
        for folder in _folders()
        if (major := _major(folder)) >= OLDEST_MAJOR and _has_postgis(folder, major)
    }
    return sorted(found, reverse=True)


def _folders() -> set[Path]:
    named = [os.environ.get("PG_BINDIR", "")]
    if pg_config := shutil.which("pg_config"):
        named.append(_output(pg_config, "--bindir"))
    for pattern in PLACES:
        named.extend(str(folder) for folder in Path("/").glob(pattern))
    folders = {Path(name).resolve() for name in named if name}
    return {folder for folder in folders if all((folder / tool).is_file() for tool in NEEDED)}


def _major(folder: Path) -> int:
    match = re.search(r"\(PostgreSQL\) (\d+)", _output(str(folder / "postgres"), "--version"))
    return int(match[1]) if match else 0


def _has_postgis(folder: Path, major: int) -> bool:
    shares = [Path(f"/usr/share/postgresql/{major}")]
    if (pg_config := folder / "pg_config").is_file():
        shares.append(Path(_output(str(pg_config), "--sharedir") or "/nowhere"))
    return any((share / "extension" / "postgis.control").is_file() for share in shares)


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
