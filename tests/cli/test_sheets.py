"""`sheets sync`: counts and errors by row; exit code 1 when something is refused or nobody answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncSession

from app.cli.sheets import sheets
from sandbox.server import Sandbox, open_sandbox
from sandbox.sheets_grid import SPREADSHEET
from tests.factories_catalog import make_product


@pytest.fixture
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    async with open_sandbox(tmp_path_factory.mktemp("sheets") / "service-account.json") as sandbox:
        yield sandbox


async def sync(environ: dict[str, str], sandbox: Sandbox, *options: str, spreadsheet: str = SPREADSHEET) -> Result:
    google = {
        "GOOGLE_SHEETS_BASE_URL": f"{sandbox.url}/sheets",
        "GOOGLE_SERVICE_ACCOUNT_FILE": str(sandbox.account_file),
        "GOOGLE_SHEETS_SPREADSHEET_ID": spreadsheet,
    }
    return await asyncio.to_thread(CliRunner().invoke, sheets, ["sync", *options], env=environ | google)


async def test_both_ways(environ: dict[str, str], sandbox: Sandbox, db: AsyncSession) -> None:
    await make_product(db)
    answer = await sync(environ, sandbox)
    assert (answer.exit_code, answer.stdout) == (
        0,
        "0 created, 0 updated, 1 written to the sheet, 0 unchanged, 0 refused\n",
    )
    tab = sandbox.world.sheets.files[SPREADSHEET].tabs["Productos"]
    tab.cells[1, 5] = "mucho"
    answer = await sync(environ, sandbox, "--direction", "from-sheets")
    assert answer.exit_code == 1
    assert "row 2: Precio: A valid number is required." in answer.stderr


async def test_what_is_not_there(environ: dict[str, str], sandbox: Sandbox, db: AsyncSession) -> None:
    answer = await sync(environ, sandbox, spreadsheet="nowhere")
    assert answer.exit_code == 1
    assert "Google Sheets does not answer" in answer.stderr
