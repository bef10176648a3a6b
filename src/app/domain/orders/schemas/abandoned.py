"""Abandoned orders on the wire."""

from decimal import Decimal
from typing import ClassVar, Literal

import msgspec

from app.domain.carts.schemas import AbandonedCart, Period
from app.domain.rates.schemas import RateType
from app.http.body import Input
from app.http.fields import Count


class Marked(msgspec.Struct):
    message: str
    count: int


class AbandonedFigures(msgspec.Struct):
    """Orders that were abandoned in a period; those among them that were recovered."""

    period: Period
    total_abandoned: int
    total_recovered: int
    recovery_rate: float
    abandoned_value: Decimal
    recovered_value: Decimal


class SystemUpdateInput(Input):
    """What is to be brought up to date. `minutes` of silence make a cart, or a pending order, abandoned."""

    action: ClassVar[bool] = True

    skip_dollar: bool = False
    skip_carts: bool = False
    minutes: Count = 300
    dry_run: bool = False


class RateNow(msgspec.Struct):
    rate_type: RateType
    value: Decimal


class DollarUpdate(msgspec.Struct):
    """The rates after it; `error` says why they could not be brought."""

    updated: bool
    rates: list[RateNow]
    error: str | None = None


class CartsUpdate(msgspec.Struct):
    """How many became abandoned, or would have."""

    minutes: int
    abandoned_carts: int
    abandoned_orders: int
    count: int

    @classmethod
    def of(cls, minutes: int, carts: int, orders: int) -> "CartsUpdate":
        return cls(minutes, carts, orders, carts + orders)


class SystemUpdate(msgspec.Struct):
    """What was skipped is null. Without success some of it failed; the rest is done."""

    success: bool
    dry_run: bool
    dollar: DollarUpdate | None
    carts: CartsUpdate | None


class Converted(msgspec.Struct):
    """A cart that became an order."""

    message: str
    order_id: int
    cart: AbandonedCart
    success: Literal[True] = True


class MigrationAnswer(msgspec.Struct):
    migrated_count: int
    skipped_count: int
    message: str
    success: Literal[True] = True
