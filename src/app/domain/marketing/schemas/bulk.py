"""Promotions by quantity on the wire."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from app.domain.marketing.schemas.coupons import Ids
from app.http.body import Input
from app.http.fields import INT4_MAX, Name, Quantity, Text

PromotionType = Literal["3x2", "2x1", "4x3", "5x4", "custom"]
BulkStatus = Literal["inactive", "pending", "active", "expired"]
Priority = Annotated[int, Meta(ge=-INT4_MAX, le=INT4_MAX)]


class BulkPromotion(msgspec.Struct):
    """Of `buy_quantity` units of a line `pay_quantity` are paid; `status` follows the clock and the flag."""

    id: UUID
    name: str
    description: str
    promotion_type: PromotionType
    buy_quantity: int
    pay_quantity: int
    start_date: dt.datetime
    end_date: dt.datetime
    active: bool
    priority: int
    max_applications: int
    status: BulkStatus
    product_count: int
    category_count: int


class BulkPromotionDetail(BulkPromotion):
    """With what it is for: products, and categories with all below them."""

    products: list[int]
    categories: list[int]


class BulkPromotionInput(Input):
    """A type that says its numbers needs none; `custom` needs both."""

    name: Name
    promotion_type: PromotionType
    start_date: dt.datetime
    end_date: dt.datetime
    description: Text = ""
    buy_quantity: Quantity | None = None
    pay_quantity: Quantity | None = None
    products: Ids = msgspec.field(default_factory=list)
    categories: Ids = msgspec.field(default_factory=list)
    active: bool = True
    priority: Priority = 0
    max_applications: Quantity = 1
