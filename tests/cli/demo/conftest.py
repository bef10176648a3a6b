"""The `demo` commands as a person calls them."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.demo.commands import demo
from app.settings import Settings


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: pictures that exist are not drawn again."""
    return tmp_path_factory.mktemp("demo") / "media"


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, media: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("MEDIA_ROOT", str(media))
    monkeypatch.chdir(tmp_path)


async def call(*arguments: str, answer: str | None = None) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, demo, arguments, answer)


async def load() -> dict[str, int]:
    """Loads, and gives the counts."""
    result = await call("load", "--json")
    assert result.exit_code == 0, result.output
    counts: dict[str, int] = json.loads(result.output)["counts"]
    return counts


async def rows(db: AsyncSession, statement: str) -> list[tuple[object, ...]]:
    found = [tuple(row) for row in await db.execute(text(statement))]
    await db.rollback()
    return found


async def one(db: AsyncSession, statement: str) -> object:
    ((value,),) = await rows(db, statement)
    return value
