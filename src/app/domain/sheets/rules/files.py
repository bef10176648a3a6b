"""The catalogue as a CSV file: its columns, and how a row is read. Pure but for the file that is read from."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from app.domain.sheets.rules.cells import guarded, text_of, unguarded

# `exported_stock` is the stock that the file was made with: an import adds the difference to it.
COLUMNS = (
    "id", "sku", "name", "brand", "description", "category", "price", "currency", "stock", "exported_stock", "discount",
    "is_available", "volume", "dimensions",
)  # fmt: skip
READ_ONLY = {"id", "sku", "exported_stock"}
# Where an empty cell means an empty text; elsewhere it means nothing at all.
_MAY_BE_EMPTY = {"name", "brand", "description", "volume", "dimensions"}
# What spreadsheets write between cells, each in some country.
_SEPARATORS = (",", ";", "\t")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LONGEST_HEADER = 10_000
# Where cells are parted by semicolons, a comma stands before the cents.
_WITH_COMMA = re.compile(r"[0-9]+,[0-9]{1,2}", re.ASCII)
_NUMBERS = {"price", "discount"}
# As people's spreadsheets translate them.
_WORDS = {"is_available", "currency"}
NOT_DECODED = (
    "The file is not {encoding}. Save it as “CSV UTF-8”, or say how it is written, for example with --encoding cp1252."
)


class BadFile(ValueError):
    """The file is no catalogue; the message says why."""


def written(row: Mapping[str, Any]) -> list[str]:
    """A product as a row; nothing in it is taken for a formula."""
    values = {**row, "exported_stock": row["stock"], "is_available": "true" if row["is_available"] else "false"}
    return [guarded(str(values[name])) for name in COLUMNS]


def as_csv(*rows: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def read(file: BinaryIO, encoding: str | None = None) -> Iterator[dict[str, str]]:
    """The rows by column, one after the other; an empty one is empty. Raises BadFile at the first line that is none.

    UTF-8 unless said otherwise, or UTF-16 that begins as such; parted by commas, semicolons or tabs, as the header is.
    """
    start = file.read(4)
    file.seek(0)
    known = next((name for bom, name in _BOMS.items() if start.startswith(bom)), None)
    text = io.TextIOWrapper(file, encoding=encoding or known or "utf-8", newline="")
    try:
        yield from _rows(text)
    except UnicodeError as error:
        raise BadFile(NOT_DECODED.format(encoding=encoding or "UTF-8")) from error
    finally:
        text.detach()


def _rows(text: io.TextIOWrapper) -> Iterator[dict[str, str]]:
    first = text.readline(_LONGEST_HEADER)
    if "\0" in first:
        raise BadFile(NOT_DECODED.format(encoding="UTF-8"))
    if not first.strip():
        raise BadFile("The file is empty: its first row names the columns.")
    separator, header = _header(first)
    lines = csv.reader(text, delimiter=separator, strict=True)
    try:
        for line in lines:
            yield _row(header, line, separator)
    except csv.Error as error:
        raise BadFile(f"The file is no CSV, see its line {lines.line_num + 1}: {error}.") from error


def _header(line: str) -> tuple[str, list[str]]:
    """What parts the cells, and the columns' names. Raises BadFile."""
    found = {each: [name.strip() for name in next(csv.reader([line], delimiter=each))] for each in _SEPARATORS}
    separator = max(_SEPARATORS, key=lambda each: len(found[each]))
    header = found[separator]
    if unknown := [name for name in header if name not in COLUMNS]:
        names = ", ".join(name[:50] for name in unknown[:20])
        raise BadFile(f"Unknown columns: {names}. There are: {', '.join(COLUMNS)}.")
    if len(set(header)) < len(header):
        raise BadFile("A column stands twice in the first row.")
    return separator, header


def _row(header: Sequence[str], line: Sequence[str], separator: str) -> dict[str, str]:
    if not any(cell.strip() for cell in line):
        return {}
    cells = [*line, *[""] * (len(header) - len(line))]
    row = {name: _cell(name, cell.strip(), separator) for name, cell in zip(header, cells, strict=False)}
    if len(line) > len(header):
        row["extra"] = str(len(line) - len(header))
    return row


def _cell(name: str, cell: str, separator: str) -> str:
    if name in _WORDS:
        return text_of(name, cell)
    if name in _NUMBERS and separator == ";" and _WITH_COMMA.fullmatch(cell):
        return cell.replace(",", ".")
    return unguarded(cell)


def fields_of(row: Mapping[str, str]) -> dict[str, str]:
    """What the row writes: an empty cell counts where an empty text is a value."""
    return {
        name: cell
        for name, cell in row.items()
        if name in COLUMNS and name not in READ_ONLY and (cell or name in _MAY_BE_EMPTY)
    }
