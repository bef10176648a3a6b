"""Reservations and counts as others see them."""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec


class HoldRow(msgspec.Struct, frozen=True):
    """A reservation as it stands, live or finished; `status` follows the clock."""

    id: int
    pool_id: int
    promo_id: int
    store_product_id: int
    user_id: int
    token: UUID
    quantity: int
    unit_price: Decimal
    expires_at: datetime
    status: Literal["held", "confirmed", "cancelled", "expired"]
    order_id: int | None
    server_time: datetime


class Count(msgspec.Struct, frozen=True):
    """What becomes of a pool: `units` are free then or, with `more`, so many more than now."""

    pool_id: int
    units: int
    cause: str
    more: bool = False


class Counted(msgspec.Struct, frozen=True):
    """What was free in a pool and what is; an `after` below zero was not written."""

    before: int
    after: int


class PoolLeft(msgspec.Struct, frozen=True):
    """What a trade left of a pool: `units` in it now, after `wanted` were taken or, below zero, given back."""

    pool_id: int
    units: int
    wanted: int
