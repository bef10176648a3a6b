"""A database of its own, made once and kept until the schema or the data's description changes."""

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.plan import PROMOS, ROOT, UNITS, USERS

NAME = "relampago_bench"


@dataclass(frozen=True)
class Data:
    """A database by its name; what fills it, with `sizes` in its percent signs."""

    name: str
    fill: Path
    sizes: dict[str, int]


HOLDS = Data(NAME, Path(__file__).with_name("dataset.sql"), {"users": USERS, "promos": PROMOS, "units": UNITS})


def prepare(admin_url: str, data: Data = HOLDS) -> str:
    """The address of the benchmark's database, migrated and filled."""
    url = urlunsplit(urlsplit(admin_url)._replace(path=f"/{data.name}"))
    mark = _mark(data)
    if _mark_of(url) != mark:
        sizes = ", ".join(f"{size:,} {what}" for what, size in data.sizes.items())
        print(f"making the database {data.name}: {sizes}", flush=True)
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {data.name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {data.name}")
        _migrate(url)
        _fill(url, mark, data)
    return url


def _mark(data: Data) -> str:
    digest = hashlib.sha256(" ".join(map(str, data.sizes.values())).encode() + data.fill.read_bytes())
    for path in sorted((ROOT / "alembic").rglob("*")):
        if path.suffix in {".py", ".sql"}:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _mark_of(url: str) -> str:
    """The mark that a complete database bears."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute("SELECT mark FROM bench_dataset").fetchone()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return ""
    return str(row[0]) if row else ""


def _migrate(url: str) -> None:
    environment = os.environ | {"DATABASE_URL": url, "DATABASE_ADMIN_URL": url}
    command = [sys.executable, "-m", "app", "database", "upgrade", "--no-prompt"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the benchmark's database could not be migrated:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _fill(url: str, mark: str, data: Data) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute(data.fill.read_text(encoding="utf-8") % data.sizes)
            connection.execute("CREATE TABLE bench_dataset (mark text NOT NULL)")
            connection.execute("INSERT INTO bench_dataset VALUES (%s)", [mark])
        connection.execute("VACUUM ANALYZE")


def reset(url: str, *, slots: bool) -> None:
    """No reservation, all units free: in 16 slots a pool as the application has them, or in one row as the peer has."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE reservation, reservation_finished, throttle")
        connection.execute("DELETE FROM stock_slot WHERE pool_id <= %s", [PROMOS])
        connection.execute(
            "INSERT INTO stock_slot (pool_id, n, available) "
            "SELECT p, s, %(units)s / %(slots)s FROM generate_series(1, %(promos)s) p, "
            "generate_series(0, %(slots)s - 1) s ORDER BY p, s",
            {"units": UNITS, "slots": 16 if slots else 1, "promos": PROMOS},
        )
        connection.execute("VACUUM ANALYZE stock_slot, reservation, reservation_finished")
        # What one subject has written is not for the next one to pay. Only a superuser may ask for it.
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute("CHECKPOINT")


def delay_commits(url: str, microseconds: int) -> None:
    """Let every commit of connections made from now on wait, as on a slower disk; 0 is as usual."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in (("commit_delay", microseconds), ("commit_siblings", 0 if microseconds else 5)):
            connection.execute(f"ALTER DATABASE {NAME} SET {name} = {value}")


def held(url: str) -> int:
    """Holds in the database. Raises SystemExit when slots and holds do not add up to the units there were."""
    with psycopg.connect(url) as connection:
        holds, units = connection.execute("SELECT count(*), COALESCE(sum(quantity), 0) FROM reservation").fetchone()
        free = connection.execute("SELECT sum(available) FROM stock_slot WHERE pool_id <= %s", [PROMOS]).fetchone()[0]
    if units + free != UNITS * PROMOS:
        raise SystemExit(f"stock was not conserved: {units} held + {free} free are not {UNITS * PROMOS}")
    return int(holds)


def versions(url: str) -> dict[str, str]:
    """What the database says about itself."""
    questions = {
        "PostgreSQL": "SHOW server_version",
        "PostGIS": "SELECT postgis_lib_version()",
        "fsync": "SHOW fsync",
        "synchronous_commit": "SHOW synchronous_commit",
    }
    with psycopg.connect(url) as connection:
        return {name: str(connection.execute(question).fetchone()[0]) for name, question in questions.items()}
