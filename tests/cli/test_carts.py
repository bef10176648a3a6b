"""`carts identify`."""

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.carts import carts
from app.settings import Settings
from tests.carts.visiting import line, put, row_of, silent_for
from tests.factories_catalog import make_product


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.chdir(tmp_path)


async def call(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, carts, arguments)


async def test_carts_are_identified(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db)
    first, second = [(await put(client, line(product))).json()["cart_id"] for _ in range(2)]
    await silent_for(db, first, "6 hours")
    assert (await call("identify", "--dry-run")).stdout == "1 cart would be abandoned.\n"
    assert (await row_of(db, first))["status"] == "active"
    assert (await call("identify")).stdout == "1 cart abandoned.\n"
    assert (await row_of(db, first))["status"] == "abandoned"
    answer = await call("identify", "--minutes", "0", "--json")
    assert (answer.exit_code, msgspec.json.decode(answer.stdout)) == (0, {"identified": 1, "dry_run": False})
    assert (await row_of(db, second))["status"] == "abandoned"
    assert (await call("identify", "--minutes", "-1")).exit_code == 2
