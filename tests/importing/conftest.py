import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from click.testing import CliRunner

from app.cli.moving.commands import import_
from app.settings import Settings
from tests.conftest import ROOT, _admin_url, _named

LABELS = ("--app-label", "stores=flash", "--app-label", "profiles=flash")
# So many that an import of few at a time can be killed among them.
MANY = 40
Importer = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
async def shop_url(worker_name: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A database that Django's own migrations made and its ORM filled, by a process of their own."""
    admin, name = _admin_url(), f"relampago_test_{os.getpid()}_{worker_name}_shop"
    connection = await asyncpg.connect(admin)
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.execute(f'CREATE DATABASE "{name}"')
    url = _named(admin, name)
    inside = await asyncpg.connect(url)
    await inside.execute("CREATE EXTENSION postgis")
    await inside.close()
    try:
        folder = tmp_path_factory.mktemp("django")
        await asyncio.to_thread(_fill, url, folder)
        yield url
    finally:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await connection.close()


def _fill(url: str, folder: Path) -> None:
    (folder / "shop_migrations").mkdir()
    (folder / "shop_migrations" / "__init__.py").touch()
    environ = {
        **os.environ,
        "SHOP_DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.importing.shop.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
    }
    command = [sys.executable, "-m", "tests.importing.shop.filling", str(MANY)]
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "LOG_LEVEL": "critical",
        "MEDIA_ROOT": str(tmp_path / "media"),
        "PYTHONPATH": str(ROOT / "src"),
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app", "import", "django", *arguments]


@pytest.fixture
def moved(environment: dict[str, str], shop_url: str, _clean: None) -> Importer:
    """Imports by the command, in a thread since it has a loop of its own; the report, its kinds by name."""

    async def run(*arguments: str, labels: tuple[str, ...] = LABELS) -> dict[str, Any]:
        asked = ("django", "--source", shop_url, "--name", "old", "--json", *labels, *arguments)
        done = await asyncio.to_thread(CliRunner().invoke, import_, asked, env=environment)
        assert done.exit_code == 0, done.output
        report = msgspec.json.decode(done.stdout)
        return report | {"kinds": {kind["kind"]: kind for kind in report["kinds"]}}

    return run
