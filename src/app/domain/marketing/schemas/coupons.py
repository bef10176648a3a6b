"""Coupons and their uses on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from app.http.body import Input
from app.http.fields import Count, Id, Money, Quantity

CouponType = Literal["percentage", "fixed"]
Code = Annotated[str, Meta(min_length=1, max_length=50)]
# What takes nothing off is no coupon.
Worth = Annotated[Decimal, Meta(extra={"digits": 10, "places": 2, "min": Decimal("0.01")})]
Ids = Annotated[list[Id], Meta(max_length=10_000)]


class CouponUsage(msgspec.Struct):
    """A use of a coupon by an order; amounts in ARS."""

    id: int
    coupon: UUID
    user: int | None
    user_email: str | None
    order: int | None
    purchase_amount: Decimal
    discount_amount: Decimal
    used_at: dt.datetime


class Coupon(msgspec.Struct):
    """A coupon; `used` counts its live uses, of which `usages` has the newest."""

    id: UUID
    code: str
    type: CouponType
    value: Decimal
    max_amount: Decimal | None
    min_purchase: Decimal
    max_uses: int | None
    max_uses_per_user: int | None
    used: int
    expires_at: dt.datetime | None
    active: bool
    categories: list[int]
    created_at: dt.datetime
    updated_at: dt.datetime
    is_expired: bool
    is_valid: bool
    usages: list[CouponUsage]


class CouponInput(Input):
    """The code is kept in upper case. `max_amount` is the most that comes off, for both types."""

    code: Code
    type: CouponType
    value: Worth
    max_amount: Worth | None = None
    min_purchase: Money = Decimal(0)
    categories: Ids = msgspec.field(default_factory=list)
    max_uses: Count | None = None
    max_uses_per_user: Quantity | None = None
    expires_at: dt.datetime | None = None
    active: bool = True
