"""The percentage of a product: the highest of its own, of the offers and of the discounts by weekday that are on."""

import datetime as dt
from collections.abc import Mapping
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from app.domain.pricing.rules.facts import Line, Rules
from app.domain.pricing.rules.quotes import Discount
from app.domain.pricing.rules.windows import is_on

Key = TypeVar("Key")


class Percentages(msgspec.Struct, frozen=True):
    """The highest percentage of the rules that are on at an instant, by product and by category."""

    by_product: Mapping[int, Discount]
    by_category: Mapping[int, Discount]

    @classmethod
    def at(cls, rules: Rules, now: dt.datetime, zone: ZoneInfo) -> "Percentages":
        by_product: dict[int, Discount] = {}
        by_category: dict[int, Discount] = {}
        for offer in rules.offers:
            if offer.start_date <= now <= offer.end_date:
                found = Discount(offer.discount, "offer", offer.name)
                for product_id in offer.products:
                    _raise_to(by_product, product_id, found)
        for scheduled in rules.scheduled:
            if is_on(scheduled.window, now, zone):
                _raise_to(
                    by_category,
                    scheduled.category,
                    Discount(scheduled.discount, "scheduled_discount", scheduled.name),
                )
        return cls(by_product, by_category)

    def of(self, line: Line) -> Discount:
        """Of equal ones the product's own counts, then an offer's."""
        best = Discount(line.discount, "product_discount") if line.discount else Discount()
        offered = self.by_product.get(line.product_id)
        if offered is not None and offered.percent > best.percent:
            best = offered
        for category in line.categories:
            found = self.by_category.get(category)
            if found is not None and found.percent > best.percent:
                best = found
        return best


def _raise_to(highest: dict[Key, Discount], key: Key, found: Discount) -> None:
    known = highest.get(key)
    if known is None or (found.percent, known.name) > (known.percent, found.name):
        highest[key] = found
