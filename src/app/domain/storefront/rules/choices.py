"""A product as it is sold, and which of its options a line means."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from app.errors import Refused


class Option(msgspec.Struct, frozen=True, array_like=True):
    """One option of a variant, with its own stock."""

    id: int
    variant: str
    name: str
    adjustment: Decimal
    pool_id: int


class Sold(msgspec.Struct, frozen=True):
    """What of a product its price and its stock depend on; `price` is in its own currency.

    `categories` are its own and all above it; `options` come variant by variant, none for a product without variants.
    """

    id: int
    name: str
    price: Decimal
    currency: str
    discount: Decimal
    pool_id: int
    is_available: bool
    categories: tuple[int, ...]
    options: tuple[Option, ...]


def chosen_of(sold: Sold, variants: Mapping[str, Any] | None) -> list[Option]:
    """The options that a line names, one of each variant in the product's order.

    Raises Refused when the product has no such option, or has a variant of which none is named.
    """
    named = dict(variants or {})
    chosen = [option for option in sold.options if named.get(option.variant) == option.name]
    missing = sorted({option.variant for option in sold.options} - {option.variant for option in chosen})
    if len(named) != len(chosen):
        raise Refused(f"El producto {sold.id} no tiene esa opción", code="bad_variants")
    if missing:
        raise Refused(f"Falta elegir {', '.join(missing)} del producto {sold.id}", code="bad_variants")
    return chosen
