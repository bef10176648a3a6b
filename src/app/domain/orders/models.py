"""The promise: orders, their lines, and every move they made."""

import datetime as dt
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PriceColumn, UpdatedAt
from app.domain.orders.states import STATUSES

_STATUS_LIST = ", ".join(f"'{status}'" for status in STATUSES)


class Order(Identified, Base):
    """An order. `store_id` is null for the online shop; `total` is subtotal - bulk_promotion_discount - discount."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(f"status IN ({_STATUS_LIST})", name="status"),
        CheckConstraint("delivery_type IN ('delivery', 'pickup')", name="delivery_type"),
        CheckConstraint("payment_method IN ('cash', 'online')", name="payment_method"),
        CheckConstraint("total = subtotal - bulk_promotion_discount - discount AND total >= 0", name="total_adds_up"),
        CheckConstraint("discount >= 0 AND bulk_promotion_discount >= 0", name="discounts_not_negative"),
        Index("ix_orders_created_at", text("created_at DESC"), text("id DESC")),
        # Somebody's orders are counted and walked in it alone.
        Index(
            "ix_orders_user_id_created_at",
            "user_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_include=["is_temporary"],
        ),
        Index("ix_orders_store_id", "store_id", text("created_at DESC"), postgresql_where=text("store_id IS NOT NULL")),
        Index("ix_orders_status_created_at", "status", text("created_at DESC")),
        Index(
            "ix_orders_unpaid",
            "payment_method",
            "unpaid_since",
            postgresql_where=text("status IN ('pending', 'payment_pending') AND NOT is_temporary"),
        ),
        Index("ix_orders_coupon_id", "coupon_id", postgresql_where=text("coupon_id IS NOT NULL")),
        Index("ix_orders_anonymous_id", "anonymous_id", postgresql_where=text("anonymous_id IS NOT NULL")),
    )

    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    recipient_name: Mapped[str] = mapped_column(String(100))
    customer_dni_cuit: Mapped[str] = mapped_column(String(20), server_default="")
    shipping_address: Mapped[str] = mapped_column(String(200), server_default="")
    shipping_street: Mapped[str] = mapped_column(String(200), server_default="")
    shipping_number: Mapped[str] = mapped_column(String(20), server_default="")
    shipping_neighborhood: Mapped[str] = mapped_column(String(100), server_default="")
    shipping_city: Mapped[str] = mapped_column(String(100), server_default="")
    shipping_postal_code: Mapped[str] = mapped_column(String(10), server_default="")
    customer_email: Mapped[str] = mapped_column(String(254))
    customer_phone: Mapped[str] = mapped_column(String(20), server_default="")
    delivery_type: Mapped[str] = mapped_column(String(10), server_default="delivery")
    payment_method: Mapped[str] = mapped_column(String(10), server_default="cash")
    status: Mapped[str] = mapped_column(String(20), server_default="pending")
    archived_from: Mapped[str | None] = mapped_column(String(20))
    total: Mapped[PriceColumn] = mapped_column(server_default="0")
    subtotal: Mapped[PriceColumn] = mapped_column(server_default="0")
    discount: Mapped[PriceColumn] = mapped_column(server_default="0")
    bulk_promotion_discount: Mapped[PriceColumn] = mapped_column(server_default="0")
    coupon_id: Mapped[Any | None] = mapped_column(UUID(as_uuid=True), ForeignKey("coupon.id", ondelete="SET NULL"))
    # The dollar's value in pesos that priced this order's USD lines; null when it has none.
    dollar_rate: Mapped[Any | None] = mapped_column(Numeric(10, 2))
    shipping_notification_sent: Mapped[bool] = mapped_column(server_default=text("false"))
    abandoned_at: Mapped[Instant | None]
    abandoned_cart_recovered: Mapped[bool] = mapped_column(server_default=text("false"))
    is_temporary: Mapped[bool] = mapped_column(server_default=text("false"))
    anonymous_id: Mapped[str | None] = mapped_column(String(36))
    last_activity: Mapped[Instant | None]
    paid_at: Mapped[Instant | None]
    # Whether the units of its lines are taken: they go back when this becomes false, and so exactly once.
    holds_stock: Mapped[bool] = mapped_column(server_default=text("false"))
    # From when the time to pay is counted: its creation, the start of a payment, its return from elsewhere.
    unpaid_since: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class OrderItem(Identified, Base):
    """A line: what, how many, at which price. Its units came out of each of `pool_ids`, and go back there.

    One is the usual; a product with several variants has one for each chosen option.
    """

    __tablename__ = "order_item"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("price >= 0 AND price <> 'NaN'", name="price_not_negative"),
        Index("ix_order_item_order_id", "order_id"),
        Index("ix_order_item_product_id", "product_id"),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id", ondelete="SET NULL"))
    pool_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    quantity: Mapped[int] = mapped_column(Integer, server_default="1")
    price: Mapped[PriceColumn]
    variants: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    variants_label: Mapped[str] = mapped_column(String(200), server_default="")


class OrderEvent(Identified, Base):
    """One move of an order: what it became, when, by whom and why. Append-only; shown to staff as the timeline."""

    __tablename__ = "order_event"
    __table_args__ = (Index("ix_order_event_order_id", "order_id", "id"),)

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"))
    at: Mapped[CreatedAt]
    status: Mapped[str] = mapped_column(String(20))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    cause: Mapped[str] = mapped_column(String(100), server_default="")


class IdempotencyKey(Base):
    """The answer that a key was given: asked again with it, a client reads the same bytes."""

    __tablename__ = "idempotency_key"
    __table_args__ = (
        Index("ix_idempotency_key_created_at", "created_at"),
        Index("ix_idempotency_key_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
    )

    # Of who asked, how, where and under which key.
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    # Who asked; None is a visitor. The answer goes with the account; no foreign key, as no row lives for long and each
    # keyed request would pay for one.
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    # Of what was asked.
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[CreatedAt]
