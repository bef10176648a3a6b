"""From a product's fields to the cells of its row and back. A cell's text is what is compared and remembered. Pure."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

TAB = "Productos"
# The fields that both sides write, with their headings; around them the columns that the shop alone writes.
FIELDS = {
    "name": "Nombre",
    "brand": "Marca",
    "category": "Categoría",
    "price": "Precio",
    "currency": "Moneda",
    "stock": "Stock",
    "discount": "Descuento",
    "is_available": "Disponible",
}
STAMP = "Actualizado"
HEADER = ("ID", "SKU", *FIELDS.values(), STAMP)
LAST_COLUMN = "K"
MAX_CELL = 20_000
_DECIMALS = {"price", "discount"}
# What a spreadsheet takes for the beginning of a formula, and what looks like one that was guarded.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_TAG = re.compile(r"<[^<>]{0,200}>")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,9})?", re.ASCII)
_YES, _NO = {"true", "verdadero", "sí", "si", "1", "yes"}, {"false", "falso", "no", "0"}
Cell = str | int | float | bool | None


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula, wherever it is pasted or exported to."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The text that was guarded; one that was not is itself."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def cell_of(field: str, text: str) -> Cell:
    """The cell for a field's text: numbers and booleans as such."""
    if field in _DECIMALS:
        return float(text)
    if field == "stock":
        return int(text)
    return text == "true" if field == "is_available" else guarded(text)


def text_of(field: str, cell: Any) -> str:
    """A cell's text, the same for whatever means the same: 1500, 1500.0 and "1500.00" are all 1500.00.

    What cannot be read as the field's kind stays as it is, for the validation to refuse.
    """
    plain = _plain(cell)
    if field in _DECIMALS or field == "stock":
        return _number(plain, places=2 if field in _DECIMALS else 0)
    if field == "is_available":
        word = plain.lower()
        return "true" if word in _YES else "false" if word in _NO else plain
    return plain.upper() if field == "currency" else unguarded(plain)


def _plain(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        # What formulas compute is off in the last digits.
        return format(Decimal(repr(round(cell, 6))).normalize(), "f")
    return str(cell).strip()[:MAX_CELL]


def _number(text: str, places: int) -> str:
    if not _NUMBER.fullmatch(text):
        return text
    number = Decimal(text)
    rounded = number.quantize(Decimal(1).scaleb(-places))
    return str(rounded) if rounded == number else text


def stored_text(field: str, value: Any) -> str:
    """A stored value's text."""
    if field in _DECIMALS:
        return f"{value:.2f}"
    if field == "is_available":
        return "true" if value else "false"
    return str(value).strip()


def without_markup(text: str) -> str:
    """A cell's text as the shop may show it: HTML is taken out."""
    return _TAG.sub("", text).strip()


def is_header(row: Sequence[Any]) -> bool:
    return [str(cell).strip().casefold() for cell in row[: len(HEADER)]] == [name.casefold() for name in HEADER]


def row_of(number: int, product_id: int, sku: str, texts: Mapping[str, str], stamp: str) -> tuple[str, list[Cell]]:
    """The range of a row and its cells; fields that are not given are left alone."""
    fields = [cell_of(field, texts[field]) if field in texts else None for field in FIELDS]
    return f"{TAB}!A{number}:{LAST_COLUMN}{number}", [product_id, guarded(sku), *fields, stamp]
