"""Offers on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from app.domain.marketing.schemas.coupons import Ids
from app.http.body import Input
from app.http.fields import Name, Percent

OfferStatus = Literal["active", "pending", "expired"]


class Offer(msgspec.Struct):
    """A percentage off some products; `status` follows the clock."""

    id: UUID
    name: str
    discount: int | float
    start_date: dt.datetime
    end_date: dt.datetime
    products: list[int]
    created_at: dt.datetime
    updated_at: dt.datetime
    status: OfferStatus


class OfferInput(Input):
    """Both ends belong to the offer."""

    name: Name
    discount: Percent
    start_date: dt.datetime
    end_date: dt.datetime
    products: Ids


class Ended(msgspec.Struct):
    """How many offers have ended since this was asked last."""

    message: str
    processed: int


def value_of(percent: Decimal) -> int | float:
    """A percentage as a JSON number: 25, not 25.00."""
    return int(percent) if percent == percent.to_integral_value() else float(percent)
