"""The database: does it answer, is it ours, is it safe, is its schema this code's, does its clock agree."""

import datetime as dt
import time

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.doctor.findings import Finding, fail, graver, ok, warn
from app.db.clock import READ, learn
from app.db.growth import TABLES, GrowthService, covers
from app.db.growth import months as calendar
from app.db.migrations import newest_revision
from app.settings import Settings

EXTENSIONS = ("postgis", "pg_trgm", "unaccent", "fuzzystrmatch")
OLDEST_POSTGRESQL = 140000
SLOW_MILLISECONDS = 20
CLOCK_WARN_SECONDS, CLOCK_FAIL_SECONDS = 2.0, 60.0
# Each may be off on a machine for tests; with buyers an acknowledged order could vanish.
DURABLE = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply", "remote_write")}

_SERVER = text("SELECT current_setting('server_version'), current_setting('server_version_num')::int")
_EXTENSIONS = text("SELECT extname FROM pg_extension")
_REVISION = text("SELECT version_num FROM alembic_version")
_ROLE = text("""
    SELECT current_user, r.rolsuper OR r.rolcreatedb OR r.rolcreaterole
           OR has_schema_privilege(current_user, 'public', 'CREATE')
      FROM pg_roles r WHERE r.rolname = current_user
""")
_DURABLE = text(
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
)
_CONNECTIONS = text("""
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int,
           current_setting('max_connections')::int
""")
_OLDEST_TRANSACTION = text("""
    SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
      FROM pg_stat_activity
     WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()
""")


async def server(session: AsyncSession, _settings: Settings) -> Finding:
    version, number = (await session.execute(_SERVER)).one()
    took = min([await _milliseconds(session) for _ in range(3)])
    said = f"PostgreSQL {version}, a statement takes {took:.1f} ms"
    if number < OLDEST_POSTGRESQL:
        return fail("database", said, "PostgreSQL 14 or newer is needed: upgrade the server")
    if took > SLOW_MILLISECONDS:
        return warn("database", said, "run the API and the worker near their database, in the same zone")
    return ok("database", said)


async def _milliseconds(session: AsyncSession) -> float:
    """A round trip; the first of a connection is not one, it prepares the statement."""
    begun = time.perf_counter()
    await session.execute(_SERVER)
    return (time.perf_counter() - begun) * 1000


async def extensions(session: AsyncSession, _settings: Settings) -> Finding:
    there = set((await session.scalars(_EXTENSIONS)).all())
    missing = [name for name in EXTENSIONS if name not in there]
    if missing:
        advice = "install PostGIS and postgresql-contrib on the server, then run `make migrate`"
        return fail("extensions", f"not there: {', '.join(missing)}", advice)
    return ok("extensions", ", ".join(EXTENSIONS))


async def migrations(session: AsyncSession, _settings: Settings) -> Finding:
    at, newest = await session.scalar(_REVISION), newest_revision()
    if at == newest:
        return ok("migrations", f"at {at}, the newest")
    if at is not None and str(at) > newest:
        return fail("migrations", f"at {at}, this code knows {newest}", "deploy the release that the database is at")
    return fail(
        "migrations", f"at {at}, the newest is {newest}", "run `make migrate` as the owner (DATABASE_ADMIN_URL)"
    )


async def clock(session: AsyncSession, _settings: Settings) -> Finding:
    """The database's clock decides; ours signs tokens and stamps requests to providers."""
    before = time.time()
    theirs = float(await session.scalar(text(READ)) or 0)
    # What the doctor asks of providers later is signed by that time, as it is by the shop.
    learn(theirs)
    apart = abs(theirs - (before + time.time()) / 2)
    said = f"{apart:.1f} s from the database's"
    advice = "keep both machines' clocks by NTP (`timedatectl set-ntp true`)"
    if apart > CLOCK_FAIL_SECONDS:
        return fail("clock", said, advice)
    return warn("clock", said, advice) if apart > CLOCK_WARN_SECONDS else ok("clock", said)


async def role(session: AsyncSession, settings: Settings) -> Finding:
    name, mighty = (await session.execute(_ROLE)).one()
    if mighty:
        advice = "connect as a role that may only read and write rows (src/launcher/roles.sql makes one)"
        return graver("role", f"{name} may create objects", advice, production=settings.production)
    return ok("role", f"{name} reads and writes rows, no more")


async def durability(session: AsyncSession, settings: Settings) -> Finding:
    found: dict[str, str] = {row.name: row.setting for row in await session.execute(_DURABLE)}
    off = [f"{name} = {found.get(name)}" for name, good in DURABLE.items() if found.get(name) not in good]
    if off:
        advice = "set it to on: what was acknowledged could be lost in a crash"
        return graver("durability", ", ".join(off), advice, production=settings.production)
    return ok("durability", "commits are on disk before they are acknowledged")


async def connections(session: AsyncSession, settings: Settings) -> Finding:
    used, most = (await session.execute(_CONNECTIONS)).one()
    said = f"{used} of {most} connections in use, {settings.db_pool_size} a process at most"
    if used > most * 0.9:
        return warn("connections", said, "put PgBouncer in front, lower DB_POOL_SIZE, or raise max_connections")
    return ok("connections", said)


async def idle_transactions(session: AsyncSession, _settings: Settings) -> Finding:
    """A transaction left open keeps rows locked and dead rows from being swept."""
    seconds = float(await session.scalar(_OLDEST_TRANSACTION) or 0)
    if seconds > 10:
        advice = "find it in pg_stat_activity, and set idle_in_transaction_session_timeout for its role"
        return warn("open transactions", f"one has been idle for {seconds:.0f} s", advice)
    return ok("open transactions", "none is left idle")


async def months(session: AsyncSession, _settings: Settings) -> Finding:
    """Rows of a month without a partition go to the default one, which has to be emptied under a lock."""
    today = dt.datetime.now(dt.UTC).date()
    without, astray = [], []
    for table in TABLES:
        service = GrowthService(session, table)
        there = await service.partitions()
        without += [f"{table} {month:%Y-%m}" for month in calendar(today, 1) if not covers(there, month)]
        astray += [f"{table} {month:%Y-%m}" for month in await service.strays()]
    advice = "is a worker running? `growth keep` makes them now; see docs/operations.md, Growth of tables"
    if without:
        return warn("months", f"no partition for {', '.join(without)}", advice)
    if astray:
        return warn("months", f"rows in the default partition: {', '.join(astray)}", advice)
    return ok("months", "this month's and the next one's partitions are there")


CHECKS = (server, extensions, migrations, clock, role, durability, connections, idle_transactions, months)
