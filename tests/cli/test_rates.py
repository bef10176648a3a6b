"""`rates update`: both dollars from the sources, in a table; exit code 1 when nobody answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.rates import rates
from app.domain.rates.models import DollarRate
from sandbox.faults import Fault
from sandbox.server import Sandbox, open_sandbox


@pytest.fixture
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("rates") / "service-account.json") as sandbox:
        yield sandbox


async def update(environ: dict[str, str], sandbox: Sandbox) -> Result:
    sources = {f"{name}_BASE_URL": f"{sandbox.url}/{name.lower()}" for name in ("DOLARAPI", "BLUELYTICS")}
    sources |= {"ARGENTINADATOS_BASE_URL": f"{sandbox.url}/argentinadatos", "COLUMNS": "120"}
    return await asyncio.to_thread(CliRunner().invoke, rates, ["update"], env=environ | sources)


async def test_both_rates_are_updated(environ: dict[str, str], sandbox: Sandbox, db: AsyncSession) -> None:
    answer = await update(environ, sandbox)
    assert answer.exit_code == 0, answer.output
    blue, official = (line for line in answer.stdout.splitlines() if "Dólar" in line)
    assert ("1460.00" in blue, "yes" in blue, "1450.00" in official, "yes" in official) == (True, True, True, False)
    rows = (await db.execute(select(DollarRate.rate_type).order_by(DollarRate.id))).scalars().all()
    assert rows == ["blue", "official"]


async def test_silence_is_exit_code_1(environ: dict[str, str], sandbox: Sandbox, db: AsyncSession) -> None:
    for provider in ("dolarapi", "bluelytics", "argentinadatos"):
        sandbox.world.faults.add(Fault(provider=provider, status=500, times=9))  # type: ignore[arg-type]
    answer = await update(environ, sandbox)
    assert answer.exit_code == 1
    assert "No source of exchange rates answers; the last rate stays." in answer.stderr
    assert (await db.execute(select(DollarRate))).first() is None
