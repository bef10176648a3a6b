"""The sandbox's Sheets on the wire: the samples' shapes, odd ranges, null and empty cells, Google's refusals."""

from typing import Any

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.sheets_grid import SPREADSHEET
from sandbox.sheets_ranges import Unparsable, area_of, letters_of
from tests.sandbox.assertions import FORM, assertion_of

BASE = f"/sheets/v4/spreadsheets/{SPREADSHEET}"
SCOPE = "https://www.googleapis.com/auth/spreadsheets"


@pytest.fixture
async def google(sandbox: Sandbox, web: httpx.AsyncClient) -> httpx.AsyncClient:
    """With an access token for Sheets."""
    assertion = assertion_of(sandbox.world.account, scope=SCOPE)
    answer = await web.post("/google/token", data=FORM | {"assertion": assertion})
    web.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return web


async def put(google: httpx.AsyncClient, cells: str, rows: list[list[Any]], option: str = "RAW") -> httpx.Response:
    return await google.put(f"{BASE}/values/{cells}", params={"valueInputOption": option}, json={"values": rows})


async def rows_of(google: httpx.AsyncClient, cells: str) -> Any:
    return (await google.get(f"{BASE}/values/{cells}")).json().get("values")


async def test_values_are_trimmed_and_the_range_is_resolved(google: httpx.AsyncClient) -> None:
    empty = await google.get(f"{BASE}/values/Productos!A1:D")
    assert empty.json() == {"range": "Productos!A1:D1000", "majorDimension": "ROWS"}
    written = await put(google, "Productos!A1:D3", [["SKU", "Nombre", "", ""], [], ["x", 1.5, True]])
    assert written.json() == {
        "spreadsheetId": SPREADSHEET,
        "updatedRange": "Productos!A1:D3",
        "updatedRows": 3,
        "updatedColumns": 4,
        "updatedCells": 7,
    }
    assert await rows_of(google, "Productos!A1:D") == [["SKU", "Nombre"], [], ["x", 1.5, True]]
    columns = await google.get(f"{BASE}/values/Productos!A1:D", params={"majorDimension": "COLUMNS"})
    assert columns.json()["values"] == [["SKU", "", "x"], ["Nombre", "", 1.5], ["", "", True]]


async def test_null_leaves_a_cell_and_empty_clears_it(google: httpx.AsyncClient) -> None:
    await put(google, "Productos!A1:B1", [["a", "b"]])
    await put(google, "Productos!A1:B1", [[None, ""]])
    assert await rows_of(google, "Productos!A1:B1") == [["a"]]


async def test_entered_text_is_read_and_raw_text_is_not(google: httpx.AsyncClient) -> None:
    await put(google, "Productos!A1:C1", [["12", "TRUE", "1.5"]], "USER_ENTERED")
    await put(google, "Productos!A2:C2", [["12", "TRUE", "1.5"]])
    assert await rows_of(google, "Productos!A1:C2") == [[12, True, 1.5], ["12", "TRUE", "1.5"]]


async def test_append_grows_the_grid(google: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await put(google, "Productos!A1:B1", [["a", "b"]])
    sandbox.world.sheets.files[SPREADSHEET].tabs["Productos"].rows = 1
    answer = await google.post(
        f"{BASE}/values/Productos!A1:B:append", params={"valueInputOption": "RAW"}, json={"values": [["c", "d"]]}
    )
    assert answer.json()["tableRange"] == "Productos!A1:B1"
    assert answer.json()["updates"]["updatedRange"] == "Productos!A2:B2"
    batch = await google.get(f"{BASE}/values:batchGet", params={"ranges": ["Productos!A1:A", "Productos!B2"]})
    assert [each["values"] for each in batch.json()["valueRanges"]] == [[["a"], ["c"]], [["d"]]]
    cleared = await google.post(f"{BASE}/values/Productos!A2:B2:clear", json={})
    assert cleared.json() == {"spreadsheetId": SPREADSHEET, "clearedRange": "Productos!A2:B2"}


@pytest.mark.parametrize(
    ("cells", "option", "status", "message"),
    [
        ("Nada!A1", "RAW", 400, "Unable to parse range: Nada!A1"),
        ("Productos!1A", "RAW", 400, "Unable to parse range: Productos!1A"),
        ("Productos!A1", "", 400, "'valueInputOption' is required but not specified"),
        ("Productos!AA1", "RAW", 400, "Range (Productos!AA1) exceeds grid limits. Max rows: 1000, max columns: 26"),
        ("Productos!A1001", "RAW", 400, "Range (Productos!A1001) exceeds grid limits. Max rows: 1000, max columns: 26"),
    ],
)
async def test_refusals(google: httpx.AsyncClient, cells: str, option: str, status: int, message: str) -> None:
    answer = await put(google, cells, [["x"]], option)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)


async def test_tokens_and_unknown_spreadsheets(google: httpx.AsyncClient, signed_in: httpx.AsyncClient) -> None:
    assert (await signed_in.get(BASE)).status_code == 403
    signed_in.headers["Authorization"] = "Bearer none"
    assert (await signed_in.get(BASE)).json()["error"]["status"] == "UNAUTHENTICATED"


async def test_the_page_shows_the_grid_and_takes_what_is_typed(web: httpx.AsyncClient) -> None:
    before = (await web.get("/feed.json")).json()["sheet"]
    answer = await web.post("/__emu__/sheet/cell", json={"row": 1, "column": 5, "text": "12.5"})
    assert answer.status_code == 200
    assert (await web.get("/feed.json")).json()["sheet"] == before + 1
    assert (await web.get("/sheet.json")).json()["rows"] == [[], ["", "", "", "", "", 12.5]]
    assert (await web.get(f"/__emu__/sheets/{SPREADSHEET}")).text == "\r\n,,,,,12.5\r\n"
    await web.post(f"/__emu__/sheets/{SPREADSHEET}", json=[["a"], [1, 2]])
    assert (await web.get("/sheet.json")).json()["rows"] == [["a"], [1, 2]]


@pytest.mark.parametrize("text", ["", "!", "A", "1", "A0", "A1:", "Productos!", "B1:A1", "'x'!A1", "A2:A1"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(Unparsable):
        area_of(text, {"Productos"})


def test_columns_have_letters() -> None:
    assert [letters_of(number) for number in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
