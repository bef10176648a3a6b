"""Promotions by quantity: which one counts."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

from app.domain.pricing.rules.facts import Bulk, Line


def running(promotions: Iterable[Bulk], now: dt.datetime) -> Sequence[Bulk]:
    """Those that are on at an instant."""
    return [bulk for bulk in promotions if bulk.start_date <= now <= bulk.end_date]


def by_rank(promotions: Iterable[Bulk], quantity: int, unit_price: Decimal) -> list[Bulk]:
    """The one that would count first: the highest priority, then what gives most for this quantity."""
    return sorted(
        promotions,
        key=lambda bulk: (bulk.priority, bulk.free_units(quantity) * unit_price, bulk.id),
        reverse=True,
    )


def best_bulk(promotions: Iterable[Bulk], line: Line, quantity: int, unit_price: Decimal) -> Bulk | None:
    """Of the promotions that cover the line and that the quantity reaches, the one that counts; they do not add up."""
    reached = [bulk for bulk in promotions if quantity >= bulk.buy and bulk.covers(line)]
    return by_rank(reached, quantity, unit_price)[0] if reached else None
