"""What the lines of a purchase mean: the products, and the options chosen of them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from app.domain.pricing.rules.amounts import in_pesos
from app.domain.pricing.rules.facts import Line
from app.domain.storefront.rules.choices import Sold, chosen_of
from app.errors import Refused

RATE_MISSING = "No hay cotización del dólar para los productos en USD"


class WantedLine(msgspec.Struct, frozen=True):
    """So many units of a product, with an option of each of its variants: `{"Color": "Rojo"}`."""

    product_id: int
    quantity: int
    variants: Mapping[str, Any] | None = None


class Picked(msgspec.Struct, frozen=True):
    """A wanted line with the product and the options that it means."""

    place: int
    sold: Sold
    variants: dict[str, str] | None
    option_ids: tuple[int, ...]
    pool_ids: tuple[int, ...]
    line: Line


def picked_of(
    lines: Sequence[WantedLine], sold: Mapping[int, Sold], rate: Decimal | None, *, lenient: bool
) -> list[Picked]:
    """The lines that can be sold. Raises Refused for another, unless it is to be left out."""
    found = []
    for place, wanted in enumerate(lines):
        try:
            found.append(_pick(place, wanted, sold.get(wanted.product_id), rate))
        except Refused:
            if not lenient:
                raise
    return found


def _pick(place: int, wanted: WantedLine, sold: Sold | None, rate: Decimal | None) -> Picked:
    if sold is None or not sold.is_available:
        raise Refused(f"El producto {wanted.product_id} no existe o no está disponible", code="unknown_product")
    options = chosen_of(sold, wanted.variants)
    price = sold.price
    adjustment = sum((option.adjustment for option in options), Decimal("0.00"))
    if sold.currency == "USD":
        if rate is None:
            raise Refused(RATE_MISSING, code="rate_missing")
        price, adjustment = in_pesos(price, adjustment, rate)
    ids = tuple(option.id for option in options)
    line = Line(sold.id, wanted.quantity, price, adjustment, sold.discount, sold.categories, tuple(sorted(ids)))
    variants = {option.variant: option.name for option in options} or None
    pools = tuple(option.pool_id for option in options) or (sold.pool_id,)
    return Picked(place, sold, variants, ids, pools, line)
