"""A database of its own, made once and kept until the schema or the data's description changes."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.plan import PROMOS, ROOT, UNITS, USERS

NAME = "relampago_bench"
# Migrated and empty: every other database begins as its copy.
EMPTY = "relampago_bench_empty"


@dataclass(frozen=True)
class Data:
    """A database by its name; what fills it, with `sizes` in its percent signs."""

    name: str
    fill: Path
    sizes: dict[str, int]
    # Further fills, after the first one.
    more: tuple[Path, ...] = ()


def holds_of(users: int) -> Data:
    """A store's promotions and so many buyers."""
    sizes = {"users": users, "promos": PROMOS, "units": UNITS}
    return Data(NAME if users == USERS else f"{NAME}_{users}", Path(__file__).with_name("dataset.sql"), sizes)


HOLDS = holds_of(USERS)


def prepare(admin_url: str, data: Data = HOLDS) -> str:
    """The address of one of the benchmark's databases, migrated and filled."""
    url, mark = _at(admin_url, data.name), _mark(data)
    if _mark_of(url) != mark:
        prepare_empty(admin_url)
        sizes = ", ".join(f"{size:,} {what}" for what, size in data.sizes.items())
        print(f"making the database {data.name}: {sizes}", flush=True)
        _create(admin_url, data.name, EMPTY)
        _fill(url, mark, data)
    return url


def prepare_empty(admin_url: str) -> str:
    """The address of the database that is migrated and empty."""
    url, mark = _at(admin_url, EMPTY), _schema_mark()
    if _mark_of(url) == mark:
        return url
    _create(admin_url, EMPTY, "template1")
    _migrate(url)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE bench_dataset (mark text NOT NULL)")
        connection.execute("INSERT INTO bench_dataset VALUES (%s)", [mark])
    return url


def _create(admin_url: str, name: str, template: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def _at(admin_url: str, name: str) -> str:
    return urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))


def _mark(data: Data) -> str:
    digest = hashlib.sha256(_schema_mark().encode())
    digest.update(" ".join(map(str, data.sizes.values())).encode())
    for path in (data.fill, *data.more):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _schema_mark() -> str:
    digest = hashlib.sha256()
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
    # Nothing is signed while the schema is made, but settings are not complete without a key.
    environment = {"SECRET_KEY": "0" * 64} | os.environ | {"DATABASE_URL": url, "DATABASE_ADMIN_URL": url}
    command = [sys.executable, "-m", "app", "database", "upgrade", "--no-prompt"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the benchmark's database could not be migrated:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _fill(url: str, mark: str, data: Data) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SET LOCAL relampago.quiet = 'on'")
            for path in (data.fill, *data.more):
                connection.execute(path.read_text(encoding="utf-8") % data.sizes)
            connection.execute("UPDATE bench_dataset SET mark = %s", [mark])
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


@contextmanager
def slow_commits(url: str, microseconds: int) -> Iterator[None]:
    """Every commit of connections made meanwhile waits so long, as on a slower disk. Raises SystemExit if none does."""
    if not microseconds:
        yield
        return
    name = urlsplit(url).path.lstrip("/")
    with psycopg.connect(url, autocommit=True) as connection:
        fast = _commit_seconds(url)
        try:
            # A commit waits when at least so many other transactions are under way: none need be.
            connection.execute(f"ALTER DATABASE {name} SET commit_siblings = 0")
            connection.execute(f"ALTER DATABASE {name} SET commit_delay = {microseconds}")
            slow = _commit_seconds(url)
            print(f"a commit takes at least {slow * 1000:.2f} ms, {fast * 1000:.2f} without the delay", flush=True)
            # The quickest of many: a delay that acts is in each of them, and a busy disk is not in all.
            if slow < microseconds / 1e6 or versions(url)["fsync"] != "on":
                raise SystemExit(f"commit_delay does not act: fsync is {versions(url)['fsync']}")
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} RESET commit_delay")
            connection.execute(f"ALTER DATABASE {name} RESET commit_siblings")


def _commit_seconds(url: str) -> float:
    """The shortest time that a small commit takes on a connection of its own."""
    taken = []
    with psycopg.connect(url) as connection:
        for _ in range(50):
            connection.execute("UPDATE bench_dataset SET mark = mark")
            begun = time.perf_counter()
            connection.commit()
            taken.append(time.perf_counter() - begun)
    return min(taken)


def log_position(url: str) -> int:
    """Bytes that the write-ahead log has grown to."""
    with psycopg.connect(url) as connection:
        return int(connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()[0])


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
