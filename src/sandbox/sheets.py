"""Google Sheets, API v4: values read, written, appended, cleared; tabs added, grids made longer; the quota."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.exceptions import NotFoundException

from sandbox.google_api import answer, error, reason, refusal_of
from sandbox.sheets_grid import COLUMNS, ROWS, SPREADSHEET, TAB, Sheets, Spreadsheet
from sandbox.sheets_ranges import Area, Unparsable
from sandbox.sheets_values import (
    Failed,
    Values,
    append_values,
    bad,
    properties,
    read_values,
    restructure,
    write_values,
)
from sandbox.world import World

SCOPES = ("https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive")
# The page shows no more rows than this.
SHOWN_ROWS = 500
GROUP = "sheets.googleapis.com"
Api = Request[Any, Any, Any]


def opened(request: Api, world: World, identity: str, kind: str) -> Spreadsheet:
    """The spreadsheet, if the caller may and has calls left. Raises Failed."""
    if refusal := refusal_of(request.headers.get("Authorization", ""), world, *SCOPES):
        raise Failed(refusal)
    if not world.sheets.admits(kind):
        raise Failed(_over_quota(kind, world.sheets))
    file = world.sheets.files.get(identity)
    if file is None:
        raise Failed(error(404, "NOT_FOUND", "Requested entity was not found."))
    return file


def _over_quota(kind: str, sheets: Sheets) -> Response[bytes]:
    limit = f"limit '{kind} requests per minute per user' of service '{GROUP}'"
    message = (
        f"Quota exceeded for quota metric '{kind} requests' and {limit} for consumer 'project_number:700000000001'."
    )
    metadata = {
        "quota_location": "global",
        "quota_limit_value": str(sheets.quota),
        "service": GROUP,
        "consumer": "projects/700000000001",
        "quota_metric": f"{GROUP}/{kind.lower()}_requests",
        "quota_limit": f"{kind}RequestsPerMinutePerUser",
    }
    return error(429, "RESOURCE_EXHAUSTED", message, reason("RATE_LIMIT_EXCEEDED") | {"metadata": metadata})


async def body_of(request: Api) -> Values:
    try:
        content = msgspec.json.decode(await request.body() or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad("Invalid JSON payload received. Unexpected token.") from None
    if not isinstance(content, dict):
        raise bad("Invalid JSON payload received.")
    return content


@get("/sheets/v4/spreadsheets/{identity:str}")
async def spreadsheet(request: Api, world: World, identity: str) -> Response[bytes]:
    try:
        file = opened(request, world, identity, "Read")
    except Failed as failed:
        return failed.response
    details = {"title": "Catálogo", "locale": "es_AR", "timeZone": "America/Argentina/Buenos_Aires"}
    full = {
        "spreadsheetId": identity,
        "properties": details,
        "sheets": [{"properties": properties(file, title)} for title in file.tabs],
        "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{identity}/edit",
    }
    wanted = {part.split(".")[0] for part in request.query_params.get("fields", "").split(",") if part}
    return answer({name: value for name, value in full.items() if not wanted or name in wanted})


@get("/sheets/v4/spreadsheets/{identity:str}/values:batchGet")
async def batch_get(request: Api, world: World, identity: str) -> Response[bytes]:
    dimension = request.query_params.get("majorDimension", "ROWS")
    try:
        file = opened(request, world, identity, "Read")
        found = [read_values(file, text, dimension) for text in request.query_params.getall("ranges", [])]
    except Failed as failed:
        return failed.response
    return answer({"spreadsheetId": identity, "valueRanges": found})


@get("/sheets/v4/spreadsheets/{identity:str}/values/{cells:path}")
async def get_values(request: Api, world: World, identity: str, cells: str) -> Response[bytes]:
    try:
        file = opened(request, world, identity, "Read")
        return answer(read_values(file, cells[1:], request.query_params.get("majorDimension", "ROWS")))
    except Failed as failed:
        return failed.response


@put("/sheets/v4/spreadsheets/{identity:str}/values/{cells:path}")
async def put_values(request: Api, world: World, identity: str, cells: str) -> Response[bytes]:
    try:
        file = opened(request, world, identity, "Write")
        data = [await body_of(request) | {"range": cells[1:]}]
        return answer(write_values(file, data, request.query_params.get("valueInputOption"))[0])
    except Failed as failed:
        return failed.response


@post("/sheets/v4/spreadsheets/{identity:str}/values:batchUpdate", status_code=200)
async def batch_update_values(request: Api, world: World, identity: str) -> Response[bytes]:
    try:
        file = opened(request, world, identity, "Write")
        body = await body_of(request)
        updates = write_values(file, body.get("data", []), body.get("valueInputOption"))
    except Failed as failed:
        return failed.response
    totals = {
        "totalUpdatedRows": sum(each["updatedRows"] for each in updates),
        "totalUpdatedColumns": max((each["updatedColumns"] for each in updates), default=0),
        "totalUpdatedCells": sum(each["updatedCells"] for each in updates),
        "totalUpdatedSheets": len({each["updatedRange"].rpartition("!")[0] for each in updates}),
    }
    return answer({"spreadsheetId": identity, **totals, "responses": updates})


@post("/sheets/v4/spreadsheets/{identity:str}/values:batchClear", status_code=200)
async def batch_clear(request: Api, world: World, identity: str) -> Response[bytes]:
    try:
        file = opened(request, world, identity, "Write")
        areas = [file.area(text) for text in (await body_of(request)).get("ranges", [])]
    except Unparsable as text:
        return bad(f"Unable to parse range: {text}").response
    except Failed as failed:
        return failed.response
    return answer({"spreadsheetId": identity, "clearedRanges": [tab.clear(area) for tab, area in areas]})


@post("/sheets/v4/spreadsheets/{identity:str}/values/{action:path}", status_code=200)
async def act(request: Api, world: World, identity: str, action: str) -> Response[bytes]:
    """`{range}:append` and `{range}:clear`."""
    cells, _, verb = action[1:].rpartition(":")
    try:
        file = opened(request, world, identity, "Write")
        body = await body_of(request)
        if verb == "append":
            return answer(append_values(file, cells, body, request.query_params.get("valueInputOption")))
        if verb != "clear":
            raise NotFoundException
        tab, area = file.area(cells)
    except Unparsable:
        return bad(f"Unable to parse range: {cells}").response
    except Failed as failed:
        return failed.response
    return answer({"spreadsheetId": identity, "clearedRange": tab.clear(area)})


@post("/sheets/v4/spreadsheets/{action:str}", status_code=200)
async def batch_update(request: Api, world: World, action: str) -> Response[bytes]:
    """`{id}:batchUpdate`."""
    identity, _, verb = action.rpartition(":")
    if verb != "batchUpdate":
        raise NotFoundException
    try:
        file = opened(request, world, identity, "Write")
        replies = restructure(file, (await body_of(request)).get("requests", []))
    except Failed as failed:
        return failed.response
    return answer({"spreadsheetId": identity, "replies": replies})


@get("/sheet.json")
async def grid(world: World) -> dict[str, Any]:
    """The application's tab, for the page: all its rows, and the count of changes."""
    tab = world.sheets.files[SPREADSHEET].tabs.get(TAB)
    if tab is None:
        return {"version": 0, "rows": []}
    return {"version": tab.version, "rows": tab.read(Area(TAB, 0, 0, SHOWN_ROWS, None))}


class Typed(msgspec.Struct):
    """What a person types into a cell, by its row and column, counted from 0."""

    row: Annotated[int, msgspec.Meta(ge=0, lt=ROWS)]
    column: Annotated[int, msgspec.Meta(ge=0, lt=COLUMNS)]
    text: Annotated[str, msgspec.Meta(max_length=50_000)]


@post("/__emu__/sheet/cell", status_code=200)
async def type_into(world: World, data: Typed) -> dict[str, int]:
    tab = world.sheets.files[SPREADSHEET].tabs[TAB]
    place = Area(TAB, data.row, data.column, data.row, data.column)
    tab.write(place, [[data.text]], parse=True)
    return {"version": tab.version}


@get("/__emu__/sheets/{identity:str}", media_type="text/csv")
async def as_csv(world: World, identity: str, tab: str = TAB) -> str:
    """A tab's cells as CSV."""
    file = world.sheets.files.get(identity)
    if file is None or tab not in file.tabs:
        raise NotFoundException
    return file.tabs[tab].csv()


@post("/__emu__/sheets/{identity:str}", status_code=200)
async def seed(request: Api, world: World, identity: str, tab: str = TAB) -> dict[str, int]:
    """Replace a tab's cells, rows of JSON values; spreadsheet and tab are made if they are not there."""
    rows = msgspec.json.decode(await request.body(), type=list[list[Any]])
    file = world.sheets.files.get(identity) or world.sheets.create(identity)
    grid = file.tabs.get(tab) or file.add(tab)
    grid.cells.clear()
    grid.rows = max(grid.rows, len(rows))
    grid.write(Area(tab, 0, 0, None, None), rows, parse=False)
    return {"rows": len(rows)}


HANDLERS = (
    spreadsheet,
    batch_get,
    get_values,
    put_values,
    batch_update_values,
    batch_clear,
    act,
    batch_update,
    as_csv,
    seed,
    grid,
    type_into,
)
