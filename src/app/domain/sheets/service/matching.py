"""Which product each row of the sheet is about."""

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import Row

from app.domain.sheets.service.table import Line, Table

NO_PRODUCT = "row {number}: ID: There is no product {id}."
DELETED = "row {number}: SKU: The product {sku} was deleted."
TWICE = "row {number}: ID: The product {id} stands in row {first} already."


class Match(msgspec.Struct):
    """Rows with their products, rows for new products, products without a row, rows of deleted products."""

    known: list[tuple[int, Line]] = []
    new: list[Line] = []
    missing: list[int] = []
    deleted: list[tuple[int, Line]] = []
    errors: list[str] = []
    strangers: list[Line] = []


def match(table: Table, index: Iterable[Row[Any]], only: Collection[int] | None) -> Match:
    """A row is its product's by id, else by SKU; one without either is a new product's.

    With `only`, nothing but these products' rows is looked at, and the excluded ones among them are taken in again.
    """
    rows = {row.id: row for row in index}
    by_sku = {row.sku: row for row in rows.values()}
    waiting = {row.row_number: row for row in rows.values() if row.awaits_id}
    found, placed = Match(), dict[int, int]()
    for line in table.lines:
        row = _row_of(line, rows, by_sku, waiting)
        if row is None:
            _sort_stranger(found, line)
        elif row.id in placed:
            found.errors.append(TWICE.format(number=line.number, id=row.id, first=placed[row.id]))
        else:
            placed[row.id] = line.number
            _sort_known(found, line, row)
    wanted = rows if only is None else only
    found.missing = [
        row.id
        for row in rows.values()
        if row.id in wanted and not row.deleted and row.id not in placed and (only is not None or not row.excluded)
    ]
    if only is not None:
        found.known = [pair for pair in found.known if pair[0] in only]
        found.new, found.deleted, found.errors, found.strangers = [], [], [], []
    return found


def _row_of(line: Line, rows: Any, by_sku: Any, waiting: Any) -> Row[Any] | None:
    if line.id:
        found: Row[Any] | None = rows.get(int(line.id)) if line.id.isascii() and line.id.isdigit() else None
        return found
    if line.sku:
        return by_sku.get(line.sku)  # type: ignore[no-any-return]
    pending: Row[Any] | None = waiting.get(line.number)
    return pending if pending is not None and pending.seen_name == line.texts["name"] else None


def _sort_stranger(found: Match, line: Line) -> None:
    if line.id:
        found.strangers.append(line)
        found.errors.append(NO_PRODUCT.format(number=line.number, id=line.id[:40]))
    else:
        if line.sku:
            found.strangers.append(line)
        found.new.append(line)


def _sort_known(found: Match, line: Line, row: Row[Any]) -> None:
    if not row.deleted:
        found.known.append((row.id, line))
    elif row.known:
        found.deleted.append((row.id, line))
    else:
        found.strangers.append(line)
        found.errors.append(DELETED.format(number=line.number, sku=row.sku))
