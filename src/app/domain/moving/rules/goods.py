"""Categories, products and their options, stores of theirs as ours. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from app.domain.moving.rules.judging import Row, Unfit, given, money, one_of, words

CURRENCIES = ("ARS", "USD")
_TEXTS = ("brand", "description", "special_promotion_name", "volume", "dimensions")


class Option(msgspec.Struct, frozen=True):
    """An option of a variant with its units."""

    place: int
    variant: str
    position: int
    name: str
    units: int
    price_adjustment: Decimal


def parents_first(rows: Sequence[Row]) -> list[Row]:
    """Each category behind its parent; those of a circle last."""
    left, done, ordered = list(rows), {None}, list[Row]()
    while ready := [row for row in left if row.get("parent_id") in done]:
        ordered += ready
        done |= {row["id"] for row in ready}
        left = [row for row in left if row["id"] not in done]
    return ordered + left


def units_of(found: Any) -> int:
    """Stock as a number. Raises Unfit."""
    try:
        units = int(found or 0)
    except (TypeError, ValueError):
        units = -1
    if units < 0:
        raise Unfit(f"stock is {found!r}")
    return units


def product_values(row: Row) -> dict[str, Any]:
    """The product's columns, without category, SKU, pictures and pool. Raises Unfit.

    One without a price (their table may have no such column) is not for sale until it gets one.
    """
    if not words(row, "name"):
        raise Unfit("it has no name")
    values = {
        "name": row["name"],
        "price": money(row, "price"),
        "currency": one_of(row, "currency", CURRENCIES, "ARS"),
        "discount": money(row, "discount"),
        **{name: words(row, name) for name in _TEXTS},
        **given(row, "created_at", "updated_at", "sheets_last_sync", "sheets_row_number"),
        **given(row, "has_special_promotion", "has_variants"),
    }
    for_sale = row.get("is_available", row.get("is_active", True))
    return values | {"is_available": bool(for_sale) and row.get("price") is not None}


def options_of(row: Row) -> list[Option]:
    """The options of all variants. Raises Unfit for variants of another form."""
    variants = row.get("variants") or []
    try:
        found = [option for place, variant in enumerate(variants) for option in _options(place, variant)]
    except (AttributeError, KeyError, TypeError, InvalidOperation) as error:
        raise Unfit("its variants are not of the form that is known") from error
    names = [(option.variant, option.name) for option in found]
    if len(set(names)) < len(names) or any("" in pair for pair in names):
        raise Unfit("an option has no name, or two have the same")
    return found


def _options(place: int, variant: Mapping[str, Any]) -> Iterable[Option]:
    for position, option in enumerate(variant["options"]):
        adjustment = Decimal(str(option.get("price_adjustment") or 0))
        names = str(variant["variant_name"]), str(option["name"])
        yield Option(place, names[0], position, names[1], units_of(option.get("stock")), adjustment)


def picture_at(stored: Any, cloud: str | None) -> str | None:
    """The address of a picture that their field names; None when there is none or its cloud was not said."""
    name = str(stored or "")
    if name.startswith(("http://", "https://")):
        return name
    return f"https://res.cloudinary.com/{cloud}/{name}" if name and cloud else None
