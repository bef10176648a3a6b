"""The sheet as it stands, read in one piece."""

from typing import Any

import msgspec

from app.clients.errors import BadRequestError
from app.clients.google_sheets import SheetsClient
from app.domain.sheets.rules.cells import FIELDS, HEADER, LAST_COLUMN, TAB, is_header, text_of, unguarded

WRONG_HEADER = f"The first row of the tab {TAB} is not: {', '.join(HEADER)}."


class WrongTable(Exception):
    """The tab is not the one that the synchronisation writes; the message says why."""


class Line(msgspec.Struct, frozen=True):
    """A row below the header: what it names, its fields' texts, the shop's stamp."""

    number: int
    id: str
    sku: str
    texts: dict[str, str]
    stamp: str


class Table(msgspec.Struct, frozen=True):
    """The rows that have something in them, and the number of the last one."""

    lines: list[Line]
    last: int


async def read_table(client: SheetsClient) -> Table:
    """The tab's rows; tab and header are made where they are missing. Raises WrongTable, ProviderError."""
    cells = f"{TAB}!A1:{LAST_COLUMN}"
    try:
        rows = await client.read(cells)
    except BadRequestError:
        if TAB in await client.tabs():
            raise
        await client.add_tab(TAB)
        rows = []
    if not any(cell != "" for row in rows[:1] for cell in row):
        if len(rows) > 1:
            raise WrongTable(WRONG_HEADER)
        await client.write({f"{TAB}!A1:{LAST_COLUMN}1": [list(HEADER)]})
        return Table([], 1)
    if not is_header(rows[0]):
        raise WrongTable(WRONG_HEADER)
    lines = [
        _line(number, row) for number, row in enumerate(rows[1:], start=2) if any(c not in ("", None) for c in row)
    ]
    return Table(lines, len(rows))


def _line(number: int, row: list[Any]) -> Line:
    cells = [*row, *[""] * (len(HEADER) - len(row))]
    texts = {field: text_of(field, cell) for field, cell in zip(FIELDS, cells[2:], strict=False)}
    stamp = str(cells[len(HEADER) - 1]).strip()
    return Line(number, text_of("stock", cells[0]), unguarded(str(cells[1]).strip()), texts, stamp)


async def make_room(client: SheetsClient, last: int) -> None:
    """Let the grid reach to a row."""
    tab = (await client.tabs())[TAB]
    if tab.rows < last:
        await client.add_rows(tab, last - tab.rows + 500)
