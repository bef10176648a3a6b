"""The Sheets client against the sandbox: ragged rows, batches, A1 ranges, quota, failures that pass and that do not."""

import time
from typing import Any

import httpx
import pytest

from app.clients.errors import BadRequestError, NotConfigured, NotPermitted, Throttled, Unavailable
from app.clients.google_auth import SHEETS_SCOPE, GoogleAuth
from app.clients.google_sheets import Quota, SheetsClient
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.sheets_grid import SPREADSHEET


def open_client(http: httpx.AsyncClient, sandbox: Sandbox, spreadsheet: str = SPREADSHEET) -> SheetsClient:
    auth = GoogleAuth(http, str(sandbox.account_file), [SHEETS_SCOPE])
    client = SheetsClient(http, f"{sandbox.url}/sheets", spreadsheet, auth)
    client.pause_seconds = 0.001
    return client


@pytest.fixture
async def sheets(http: httpx.AsyncClient, sandbox: Sandbox) -> SheetsClient:
    return open_client(http, sandbox)


def fail(sandbox: Sandbox, **fault: Any) -> None:
    sandbox.world.faults.add(Fault(provider="sheets", **fault))


async def test_rows_are_ragged_and_typed(sheets: SheetsClient) -> None:
    assert await sheets.read("Productos!A1:K") == []
    await sheets.write(
        {"Productos!A1:C1": [["ID", "SKU", "Nombre"]], "Productos!A2:C3": [[7, "", "Año"], [None, 1.5, True]]}
    )
    rows = await sheets.read("Productos!A1:K")
    assert rows == [["ID", "SKU", "Nombre"], [7, "", "Año"], ["", 1.5, True]]
    assert await sheets.read("Productos!B:B") == [["SKU"], [], [1.5]]
    await sheets.write({"Productos!A2:C2": [["", "x", ""]]})
    assert (await sheets.read("Productos"))[1] == ["", "x"]
    await sheets.clear(["Productos!A3:K3"])
    assert len(await sheets.read("Productos")) == 2


async def test_what_looks_like_a_formula_is_stored_as_it_is(sheets: SheetsClient) -> None:
    await sheets.write({"Productos!A1:C1": [["=1+1", "+5", "TRUE"]]})
    assert await sheets.read("Productos!A1:C1") == [["=1+1", "+5", "TRUE"]]


async def test_a_batch_is_all_or_nothing(sheets: SheetsClient) -> None:
    with pytest.raises(BadRequestError, match="exceeds grid limits"):
        await sheets.write({"Productos!A1": [["x"]], "Productos!A1001": [["y"]]})
    assert await sheets.read("Productos") == []
    tab = (await sheets.tabs())["Productos"]
    assert tab.rows == 1000
    await sheets.add_rows(tab, 5)
    await sheets.write({"Productos!A1001": [["y"]]})
    assert (await sheets.tabs())["Productos"].rows == 1005


async def test_tabs_with_odd_names(sheets: SheetsClient) -> None:
    await sheets.add_tab("Pedidos '26/27")
    await sheets.write({"'Pedidos ''26/27'!B2": [["hola"]]})
    assert await sheets.read("'Pedidos ''26/27'") == [[], ["", "hola"]]


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"status": 500}, {"status": 502}, {"drop": True}])
async def test_failures_that_pass_are_repeated(sheets: SheetsClient, sandbox: Sandbox, fault: dict[str, Any]) -> None:
    fail(sandbox, times=2, **fault)
    await sheets.write({"Productos!A1": [["x"]]})
    assert await sheets.read("Productos!A1") == [["x"]]
    fail(sandbox, times=50, **fault)
    with pytest.raises(Unavailable):
        await sheets.read("Productos!A1")


async def test_the_sandbox_counts_the_minute(
    sheets: SheetsClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.world.sheets, "quota", 2)
    await sheets.read("Productos!A1")
    await sheets.read("Productos!A1")
    with pytest.raises(Throttled, match="Quota exceeded for quota metric 'Read requests'"):
        await sheets.read("Productos!A1")
    await sheets.write({"Productos!A1": [["x"]]})


async def test_the_quota_lets_no_more_calls_through_in_its_time() -> None:
    quota, begun = Quota(calls=3, seconds=0.2), time.monotonic()
    for _ in range(7):
        await quota.take()
    assert time.monotonic() - begun >= 0.4


async def test_what_a_person_has_to_mend(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    with pytest.raises(NotPermitted, match="not found"):
        await open_client(http, sandbox, "nowhere").read("Productos")
    with pytest.raises(BadRequestError, match="Unable to parse range: Nada!A1"):
        await open_client(http, sandbox).read("Nada!A1")
    with pytest.raises(NotConfigured):
        await open_client(http, sandbox, "").read("Productos")
    assert not open_client(http, sandbox, "").configured
    assert open_client(http, sandbox).configured
