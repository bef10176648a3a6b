"""The catalogue as a CSV file: its columns, and how a row is read. Pure."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.domain.sheets.rules.cells import guarded, unguarded

# `exported_stock` is the stock that the file was made with: an import adds the difference to it.
COLUMNS = (
    "id", "sku", "name", "brand", "description", "category", "price", "currency", "stock", "exported_stock", "discount",
    "is_available", "volume", "dimensions",
)  # fmt: skip
READ_ONLY = {"id", "sku", "exported_stock"}
# Where an empty cell means an empty text; elsewhere it means nothing at all.
_MAY_BE_EMPTY = {"name", "brand", "description", "volume", "dimensions"}
LONGEST_CELL = 1 << 20


class BadFile(ValueError):
    """The file is no catalogue; the message says why."""


def written(row: Mapping[str, Any]) -> list[str]:
    """A product as a row; nothing in it is taken for a formula."""
    values = {**row, "exported_stock": row["stock"], "is_available": "true" if row["is_available"] else "false"}
    return [guarded(str(values[name])) for name in COLUMNS]


def as_csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def read(content: bytes) -> list[dict[str, str]]:
    """The rows by column. Raises BadFile."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError as error:
        raise BadFile("The file is not UTF-8.") from error
    except csv.Error as error:
        raise BadFile(f"The file is no CSV: {error}.") from error
    if not lines:
        raise BadFile("The file is empty: its first row names the columns.")
    header = [name.strip() for name in lines[0]]
    if unknown := [name for name in header if name not in COLUMNS]:
        raise BadFile(f"Unknown columns: {', '.join(unknown)}. There are: {', '.join(COLUMNS)}.")
    if len(set(header)) < len(header):
        raise BadFile("A column stands twice in the first row.")
    return list(_rows(header, lines[1:]))


def _rows(header: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[dict[str, str]]:
    for line in lines:
        cells = [*line, *[""] * (len(header) - len(line))]
        row = {name: unguarded(cell.strip()) for name, cell in zip(header, cells, strict=False)}
        if len(line) > len(header):
            row["extra"] = str(len(line) - len(header))
        yield row


def fields_of(row: Mapping[str, str]) -> dict[str, str]:
    """What the row writes: an empty cell counts where an empty text is a value."""
    return {
        name: cell
        for name, cell in row.items()
        if name in COLUMNS and name not in READ_ONLY and (cell or name in _MAY_BE_EMPTY)
    }
