"""What a price is, and why."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from app.domain.pricing.rules.facts import NOTHING, Line

Source = Literal["product_discount", "offer", "scheduled_discount"]
RefusalCode = Literal[
    "coupon_unknown",
    "coupon_inactive",
    "coupon_expired",
    "coupon_exhausted",
    "coupon_below_minimum",
    "coupon_not_eligible",
]


class Discount(msgspec.Struct, frozen=True):
    """The percentage that counts, and whose it is; of several the highest."""

    percent: Decimal = NOTHING
    source: Source | None = None
    name: str = ""


class PricedLine(msgspec.Struct, frozen=True):
    """A line with everything that its price is made of; `final` is what is paid for all its units."""

    line: Line
    discount: Discount
    unit_price: Decimal
    line_total: Decimal
    bulk_discount: Decimal
    bulk_name: str
    free_units: int
    coupon_share: Decimal

    @property
    def final(self) -> Decimal:
        return self.line_total - self.bulk_discount - self.coupon_share


class CouponRefusal(msgspec.Struct, frozen=True):
    """Why a coupon takes nothing off."""

    code: RefusalCode
    message: str


class CouponOutcome(msgspec.Struct, frozen=True):
    """What became of the coupon that was asked for. `base` is what its lines cost after promotions."""

    code: str
    id: UUID | None = None
    base: Decimal = NOTHING
    discount: Decimal = NOTHING
    refusal: CouponRefusal | None = None


class Quote(msgspec.Struct, frozen=True):
    """What some lines cost at an instant: `total` is subtotal - bulk_promotion_discount - discount, and never below 0.

    `valid_until` is when the clock alone changes one of its prices next; None when it never will.
    """

    lines: Sequence[PricedLine]
    subtotal: Decimal
    bulk_promotion_discount: Decimal
    discount: Decimal
    coupon: CouponOutcome | None
    at: dt.datetime
    valid_until: dt.datetime | None

    @property
    def total(self) -> Decimal:
        return self.subtotal - self.bulk_promotion_discount - self.discount
