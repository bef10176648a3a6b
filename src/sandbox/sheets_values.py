"""What the calls of Google Sheets do to the cells of a spreadsheet."""

from typing import Any

from litestar import Response

from sandbox.google_api import error
from sandbox.sheets_grid import BeyondGrid, Spreadsheet, Tab
from sandbox.sheets_ranges import Area, Unparsable, shown

NO_OPTION = "'valueInputOption' is required but not specified"
Values = dict[str, Any]
Place = tuple[Tab, Area, list[list[Any]]]


class Failed(Exception):
    """The call is refused; `response` says how."""

    def __init__(self, response: Response[bytes]) -> None:
        self.response = response
        super().__init__()


def bad(message: str) -> Failed:
    return Failed(error(400, "INVALID_ARGUMENT", message))


def read_values(file: Spreadsheet, text: str, dimension: str) -> Values:
    try:
        tab, area = file.area(text)
    except Unparsable:
        raise bad(f"Unable to parse range: {text}") from None
    rows = tab.read(area)
    found: Values = {"range": shown(tab.title, *tab.bounds(area)), "majorDimension": dimension}
    if rows:
        found["values"] = _turned(rows) if dimension == "COLUMNS" else rows
    return found


def _turned(rows: list[list[Any]]) -> list[list[Any]]:
    width = max(len(row) for row in rows)
    columns = [[row[over] if over < len(row) else "" for row in rows] for over in range(width)]
    for column in columns:
        while column and column[-1] == "":
            column.pop()
    return columns


def write_values(file: Spreadsheet, data: list[Values], option: str | None) -> list[Values]:
    """All or none. What was updated, a map for each range."""
    if option not in {"RAW", "USER_ENTERED"}:
        raise bad(NO_OPTION)
    places = [_place(file, each) for each in data]
    return [_written(file, place, parse=option == "USER_ENTERED") for place in places]


def _place(file: Spreadsheet, wanted: Values) -> Place:
    text, rows = str(wanted.get("range", "")), wanted.get("values", [])
    rows = _turned(rows) if wanted.get("majorDimension") == "COLUMNS" and rows else rows
    try:
        tab, area = file.area(text)
        tab.check(area, rows)
    except Unparsable:
        raise bad(f"Unable to parse range: {text}") from None
    except BeyondGrid as beyond:
        raise bad(str(beyond)) from None
    return tab, area, rows


def _written(file: Spreadsheet, place: Place, *, parse: bool) -> Values:
    tab, area, rows = place
    height, width, cells = tab.write(area, rows, parse=parse)
    right, bottom = area.left + max(width, 1) - 1, area.top + max(height, 1) - 1
    return {
        "spreadsheetId": file.identity,
        "updatedRange": shown(tab.title, area.top, area.left, bottom, right),
        "updatedRows": height,
        "updatedColumns": width,
        "updatedCells": cells,
    }


def append_values(file: Spreadsheet, text: str, body: Values, option: str | None) -> Values:
    """Below the last row that has something in it; the grid grows as it must."""
    try:
        tab, area = file.area(text)
    except Unparsable:
        raise bad(f"Unable to parse range: {text}") from None
    height, rows = tab.height, body.get("values", [])
    tab.rows = max(tab.rows, height + len(rows))
    found: Values = {"spreadsheetId": file.identity}
    if height:
        found["tableRange"] = shown(tab.title, 0, 0, height - 1, max(column for _, column in tab.cells))
    below = shown(tab.title, height, area.left, tab.rows - 1, tab.columns - 1)
    found["updates"] = write_values(file, [{"range": below, "values": rows}], option)[0]
    return found


def restructure(file: Spreadsheet, requests: list[Values]) -> list[Values]:
    """AddSheet and appendDimension, the two that are used; another is refused loudly."""
    replies: list[Values] = []
    for each in requests:
        if "addSheet" in each:
            title = str(each["addSheet"].get("properties", {}).get("title", ""))
            if not title or title in file.tabs:
                raise bad(f'Invalid requests[0].addSheet: A sheet with the name "{title}" already exists.')
            replies.append({"addSheet": {"properties": properties(file, file.add(title).title)}})
        elif "appendDimension" in each:
            wanted = each["appendDimension"]
            tab = next((tab for tab in file.tabs.values() if tab.number == wanted.get("sheetId", 0)), None)
            if tab is None or wanted.get("dimension") not in {"ROWS", "COLUMNS"}:
                raise bad("Invalid requests[0].appendDimension: No grid with id")
            if wanted["dimension"] == "ROWS":
                tab.rows += int(wanted["length"])
            else:
                tab.columns += int(wanted["length"])
            replies.append({})
        else:
            raise bad(f"The sandbox does not know the request {', '.join(each)}")
    return replies


def properties(file: Spreadsheet, title: str) -> Values:
    tab = file.tabs[title]
    return {
        "sheetId": tab.number,
        "title": title,
        "index": list(file.tabs).index(title),
        "sheetType": "GRID",
        "gridProperties": {"rowCount": tab.rows, "columnCount": tab.columns},
    }
