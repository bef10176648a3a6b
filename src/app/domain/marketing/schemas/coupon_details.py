"""A coupon as orders and carts show it."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec


class CouponDetails(msgspec.Struct):
    """A coupon as it is now. Its usages name other people, so there are none here."""

    id: UUID
    code: str
    type: str
    value: Decimal
    max_amount: Decimal | None
    min_purchase: Decimal
    max_uses: int | None
    used: int
    expires_at: dt.datetime | None
    active: bool
    categories: list[int]
    created_at: dt.datetime
    updated_at: dt.datetime
    is_expired: bool
    is_valid: bool
    usages: tuple[()] = ()


def details_of(row: Any) -> CouponDetails:
    """A row of the coupons with their categories and the instant at which it was read."""
    over = row.expires_at is not None and row.expires_at <= row.now
    left = row.max_uses is None or row.used < row.max_uses
    same = {name: getattr(row, name) for name in CouponDetails.__struct_fields__[:-3]}
    return CouponDetails(**same, is_expired=over, is_valid=row.active and not over and left)
