"""`stock audit`."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.stock import stock
from app.settings import Settings
from tests.factories_catalog import make_product, make_store_product

CHECKS = ["ledgers", "units", "pools", "promotions", "set aside", "closed pools", "sold holds", "orders", "limits"]


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("MEDIA_ROOT", str(tmp_path / "media"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


async def call(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, stock, arguments)


async def test_all_is_well(db: AsyncSession) -> None:
    await make_product(db, options={"Color": [("Rojo", 3, "0.00"), ("Azul", 0, "1.00")]})
    await make_store_product(db)
    answer = await call("audit")
    assert answer.exit_code == 0
    assert answer.stdout == f"5 pools, checked for {', '.join(CHECKS)}: everything adds up.\n"
    answer = await call("audit", "--json")
    assert answer.exit_code == 0
    assert msgspec.json.decode(answer.stdout) == {"pools": 5, "checks": CHECKS, "findings": []}


async def test_an_empty_database_is_well(db: AsyncSession) -> None:
    answer = await call("audit")
    assert (answer.exit_code, answer.stdout.startswith("0 pools")) == (0, True)


async def test_findings_are_listed_and_the_exit_code_is_1(db: AsyncSession) -> None:
    item = await make_store_product(db, stock=10)
    await db.execute(
        text("UPDATE stock_slot SET available = available + 5 WHERE pool_id = :p AND n = 0"), {"p": item.pool_id}
    )
    await db.execute(text("UPDATE product SET pool_id = :p"), {"p": item.pool_id})
    await db.commit()
    answer = await call("audit", "--json")
    assert answer.exit_code == 1
    pool, share = f"pool {item.pool_id}", f"product {item.product_id}, store product {item.id} share it"
    assert msgspec.json.decode(answer.stdout)["findings"] == [
        {
            "check": "ledgers",
            "subject": pool,
            "problem": "its ledger says 10 units, there are 15 in its slots and 0 held",
        },
        {"check": "pools", "subject": pool, "problem": share},
    ]
    answer = await call("audit")
    assert answer.exit_code == 1
    lines = [line.strip("│") for line in answer.stdout.splitlines() if pool in line]
    rows = [[cell.strip() for cell in line.split("│")] for line in lines]
    assert rows[1] == ["pools", pool, share]
    assert answer.stdout.splitlines()[-1].endswith(": 2 findings.")


async def test_it_changes_nothing(db: AsyncSession) -> None:
    item = await make_store_product(db)
    await db.execute(text("UPDATE stock_slot SET available = available + 5 WHERE pool_id = :p"), {"p": item.pool_id})
    await db.commit()
    digest = text("SELECT md5(string_agg(s::text, '' ORDER BY s::text)) FROM stock_slot s")
    before = (await db.execute(digest)).scalar_one()
    assert (await call("audit")).exit_code == 1
    assert (await db.execute(digest)).scalar_one() == before


async def test_an_unreachable_database_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/none")
    answer = await call("audit")
    assert (answer.exit_code, "does not answer" in answer.output) == (1, True)


async def test_a_database_without_tables_is_a_message(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url.rsplit("/", 1)[0] + "/template1")
    answer = await call("audit")
    assert (answer.exit_code, "run `make migrate` first" in answer.output) == (1, True)


@pytest.mark.parametrize("arguments", [[], ["audit"]])
async def test_help_everywhere(arguments: list[str]) -> None:
    answer = await call(*arguments, "--help")
    assert (answer.exit_code, answer.output.startswith("Usage: ")) == (0, True)
