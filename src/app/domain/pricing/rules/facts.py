"""What a price is made of: lines, and the rules that may take something off them."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import msgspec

from app.domain.pricing.rules.windows import Weekly

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")


class Line(msgspec.Struct, frozen=True):
    """So many units of a product with the options chosen (their ids, ascending). Prices are in ARS.

    `categories` are the product's own and all above it; `discount` is the product's own percentage.
    """

    product_id: int
    quantity: int
    price: Decimal
    adjustment: Decimal = NOTHING
    discount: Decimal = NOTHING
    categories: tuple[int, ...] = ()
    options: tuple[int, ...] = ()

    @property
    def choice(self) -> tuple[int, tuple[int, ...]]:
        """What the line is of, however many lines are of it."""
        return self.product_id, self.options


class Offer(msgspec.Struct, frozen=True):
    """A percentage off some products; both ends belong to it."""

    name: str
    discount: Decimal
    start_date: dt.datetime
    end_date: dt.datetime
    products: frozenset[int]


class Scheduled(msgspec.Struct, frozen=True):
    """A percentage off a category and all below it, within a weekly window."""

    name: str
    discount: Decimal
    category: int
    window: Weekly


class Bulk(msgspec.Struct, frozen=True):
    """Of every `buy` units of a choice only `pay` are paid, up to `max_applications` times; both ends belong to it."""

    id: UUID
    name: str
    buy: int
    pay: int
    start_date: dt.datetime
    end_date: dt.datetime
    priority: int = 0
    max_applications: int = 1
    products: frozenset[int] = frozenset()
    categories: frozenset[int] = frozenset()

    def covers(self, line: Line) -> bool:
        return line.product_id in self.products or not self.categories.isdisjoint(line.categories)

    def free_units(self, quantity: int) -> int:
        return min(quantity // self.buy, self.max_applications) * (self.buy - self.pay)


class Coupon(msgspec.Struct, frozen=True):
    """A coupon as it stands for one buyer, who has used it `used_by_user` times."""

    id: UUID
    code: str
    type: str
    value: Decimal
    max_amount: Decimal | None = None
    min_purchase: Decimal = NOTHING
    max_uses: int | None = None
    used: int = 0
    max_uses_per_user: int | None = None
    used_by_user: int = 0
    expires_at: dt.datetime | None = None
    active: bool = True
    for_categories: bool = False
    categories: frozenset[int] = frozenset()

    def covers(self, line: Line) -> bool:
        return not self.for_categories or not self.categories.isdisjoint(line.categories)


class Rules(msgspec.Struct, frozen=True):
    """Everything that may take something off the lines; what is over or is yet to come is told by the clock."""

    offers: tuple[Offer, ...] = ()
    scheduled: tuple[Scheduled, ...] = ()
    bulk: tuple[Bulk, ...] = ()
    coupon: Coupon | None = None
