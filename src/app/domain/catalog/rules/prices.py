"""Bounds that a product's price and its options' adjustments keep together."""

from collections.abc import Iterable, Sequence
from decimal import Decimal


def lowest_price(price: Decimal, adjustments: Iterable[Sequence[Decimal]]) -> Decimal:
    """The cheapest choice: the price with the lowest adjustment of each variant."""
    return price + sum((min(options) for options in adjustments if options), Decimal(0))
