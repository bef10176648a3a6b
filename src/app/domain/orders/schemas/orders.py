"""What orders look like on the wire."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.domain.carts.schemas import LineProduct, product_of
from app.domain.marketing.schemas.coupon_details import CouponDetails
from app.domain.orders.states import PaymentMethod, Status


class OrderItem(msgspec.Struct):
    """A line. `price_at_time` is what a unit cost when it was ordered."""

    id: int
    product_details: LineProduct | None
    quantity: int
    price_at_time: Decimal
    variants: dict[str, Any] | None
    variants_label: str


class OrderMove(msgspec.Struct):
    """An entry of the timeline: what the order became. `by` is a user's id, None when nobody did it by hand."""

    at: dt.datetime
    status: str
    by: int | None
    cause: str


class Order(msgspec.Struct):
    """An order. `store` is null for the online shop; the timeline is for staff and left out otherwise."""

    id: int
    user: int | None
    store: int | None
    recipient_name: str
    customer_dni_cuit: str
    shipping_address: str
    shipping_street: str
    shipping_number: str
    shipping_neighborhood: str
    shipping_city: str
    shipping_postal_code: str
    customer_email: str
    customer_phone: str
    delivery_type: str
    status: Status
    subtotal: Decimal
    discount: Decimal
    bulk_promotion_discount: Decimal
    total: Decimal
    created_at: dt.datetime
    updated_at: dt.datetime
    products: list[OrderItem]
    shipping_notification_sent: bool
    coupon: UUID | None
    coupon_details: CouponDetails | None
    is_temporary: bool
    anonymous_id: str | None
    last_activity: dt.datetime | None
    payment_method: PaymentMethod
    timeline: list[OrderMove] | UnsetType = UNSET


# Those that are called the same in the table.
_SAME = tuple(
    name
    for name in Order.__struct_fields__
    if name not in {"user", "store", "products", "coupon", "coupon_details", "timeline"}
)


def order_of(
    row: Any,
    items: Sequence[OrderItem],
    coupon: CouponDetails | None = None,
    timeline: Sequence[OrderMove] | UnsetType = UNSET,
) -> Order:
    """A row of the orders with its lines and its coupon."""
    return Order(
        **{name: getattr(row, name) for name in _SAME},
        user=row.user_id,
        store=row.store_id,
        products=list(items),
        coupon=row.coupon_id,
        coupon_details=coupon,
        timeline=timeline if timeline is UNSET else list(timeline),
    )


def item_of(row: Any, media_url: str) -> OrderItem:
    """A row of `queries.items`. `media_url` leads the names of stored pictures; a provider's address stays."""
    return OrderItem(row.id, product_of(row, media_url), row.quantity, row.price, row.variants, row.variants_label)


class OrderStatistics(msgspec.Struct):
    """How many orders are in which state. `completed` are archived ones that had been shipped."""

    total_orders: int
    pending_orders: int
    payment_pending_orders: int
    paid_orders: int
    shipped_orders: int
    completed_orders: int
    cancelled_orders: int
    archived_orders: int
    abandoned_orders: int
    recovered_carts: int


class OrderStats(msgspec.Struct):
    """Orders by status, every status named, and their sum."""

    counts: dict[str, int]
    total: int


class Notice(msgspec.Struct):
    """What was done."""

    message: str
