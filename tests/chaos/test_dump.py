"""A dump as docs/operations.md takes it, restored as it says, and looked at by the same commands."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from launcher.binaries import find_all
from tests.conftest import SECRET, _admin_url, _named
from tests.factories_catalog import make_product
from tests.orders.counter import Counter
from tests.races.servers import environment

pytestmark = [pytest.mark.full_only]
TABLES = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1"
GRANTS = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = current_user"


async def ran(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )


async def counts(url: str) -> dict[str, int]:
    """Rows of every table, as whoever connects may read them."""
    connection = await asyncpg.connect(url)
    try:
        names = [row[0] for row in await connection.fetch(TABLES)]
        found = {name: await connection.fetchval(f'SELECT count(*) FROM "{name}"') for name in names}
        return found | {"grants": await connection.fetchval(GRANTS)}
    finally:
        await connection.close()


async def test_a_dump_comes_back_whole(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    counter = Counter(client, db, settings)
    for stock in (5, 7):
        await counter.order(None, [(await make_product(db, stock=stock), 2)])
    await db.commit()
    before = await counts(database_url)
    assert (before["orders"], before["stock_ledger"] > 0) == (2, True)
    file, name = str(tmp_path / "relampago.dump"), database_url.rpartition("/")[2]
    tool, copy = find_all()[0].tool, f"{name}_restored"
    restored, admin = _named(database_url, copy), await asyncpg.connect(_admin_url())
    try:
        done = await ran(tool("pg_dump"), "--format=custom", f"--file={file}", _named(_admin_url(), name))
        assert (done.returncode, done.stderr) == (0, "")
        await admin.execute(f'CREATE DATABASE "{copy}"')
        target = f"--dbname={_named(_admin_url(), copy)}"
        done = await ran(tool("pg_restore"), target, "--exit-on-error", file)
        assert (done.returncode, done.stderr) == (0, "")
        assert await counts(restored) == before
        environ = environment(restored, SECRET, tmp_path)
        python = (str(Path(__file__).parents[2] / ".venv/bin/python"), "-m", "app")
        doctor = await ran(*python, "doctor", "--offline", "--json", env=environ, cwd=tmp_path)
        failing = [each["name"] for each in msgspec.json.decode(doctor.stdout) if each["verdict"] == "fail"]
        assert failing == ["worker"]  # nobody has been let in yet
        audit = await ran(*python, "stock", "audit", env=environ, cwd=tmp_path)
        assert audit.returncode == 0, audit.stdout
    finally:
        await admin.execute(f'DROP DATABASE IF EXISTS "{copy}" WITH (FORCE)')
        await admin.close()
