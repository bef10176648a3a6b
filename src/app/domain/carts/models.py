"""What a shopper means to buy: carts by their anonymous id, and those left behind."""

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, Numeric, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PriceColumn
from app.domain.carts.rules import STATUSES

_STATUS_LIST = ", ".join(f"'{status}'" for status in STATUSES)
NAME_LENGTH = 100
EMAIL_LENGTH = 254
PHONE_LENGTH = 30
LABEL_LENGTH = 200
# A cart promises nothing, so its sums may be those of quantities that no shop has.
SumColumn = Annotated[Decimal, mapped_column(Numeric(22, 2))]


class Cart(Identified, Base):
    """A cart. `status` is what was last written: silence since `last_activity` ends a cart without anybody writing.

    `user_id` is set once, by the login or verification that named the cart. The sums are those of the last change.
    """

    __tablename__ = "cart"
    __table_args__ = (
        CheckConstraint(f"status IN ({_STATUS_LIST})", name="status"),
        CheckConstraint("delivery_type IN ('delivery', 'pickup')", name="delivery_type"),
        CheckConstraint("total = subtotal - discount AND total >= 0 AND discount >= 0", name="total_adds_up"),
        CheckConstraint("(status = 'converted') = (converted_order_id IS NOT NULL)", name="converted_has_order"),
        CheckConstraint("status <> 'abandoned' OR abandoned_at IS NOT NULL", name="abandoned_has_a_time"),
        CheckConstraint("status <> 'recovered' OR recovered_at IS NOT NULL", name="recovered_has_a_time"),
        Index("ix_cart_last_activity", text("last_activity DESC"), text("id DESC")),
        Index("ix_cart_status_last_activity", "status", "last_activity"),
        Index("ix_cart_created_at", "created_at"),
        Index("ix_cart_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("ix_cart_coupon_id", "coupon_id", postgresql_where=text("coupon_id IS NOT NULL")),
    )

    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    anonymous_id: Mapped[UUID | None] = mapped_column(unique=True)
    status: Mapped[str] = mapped_column(String(10), server_default="active")
    customer_name: Mapped[str] = mapped_column(String(NAME_LENGTH), server_default="")
    customer_email: Mapped[str] = mapped_column(String(EMAIL_LENGTH), server_default="")
    customer_phone: Mapped[str] = mapped_column(String(PHONE_LENGTH), server_default="")
    shipping_address: Mapped[str] = mapped_column(String(200), server_default="")
    shipping_street: Mapped[str] = mapped_column(String(200), server_default="")
    shipping_number: Mapped[str] = mapped_column(String(20), server_default="")
    shipping_neighborhood: Mapped[str] = mapped_column(String(100), server_default="")
    shipping_city: Mapped[str] = mapped_column(String(100), server_default="")
    shipping_postal_code: Mapped[str] = mapped_column(String(10), server_default="")
    delivery_type: Mapped[str] = mapped_column(String(10), server_default="pickup")
    coupon_id: Mapped[UUID | None] = mapped_column(ForeignKey("coupon.id", ondelete="SET NULL"))
    subtotal: Mapped[SumColumn] = mapped_column(server_default=text("0"))
    # Of promotions and of the coupon together.
    discount: Mapped[SumColumn] = mapped_column(server_default=text("0"))
    total: Mapped[SumColumn] = mapped_column(server_default=text("0"))
    created_at: Mapped[CreatedAt]
    last_activity: Mapped[CreatedAt]
    abandoned_at: Mapped[Instant | None]
    recovered_at: Mapped[Instant | None]
    reminder_emails_sent: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_reminder_sent_at: Mapped[Instant | None]
    # Those of the episode in which the last one was sent.
    episode_reminders: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    # No foreign key: that there was an order outlasts the order.
    converted_order_id: Mapped[int | None] = mapped_column(BigInteger)
    # The abandoned order from which this cart was made.
    migrated_order_id: Mapped[int | None] = mapped_column(BigInteger, unique=True)


class CartItem(Identified, Base):
    """A line of a cart; `price` is what a unit cost when the line was written."""

    __tablename__ = "cart_item"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("price >= 0 AND price <> 'NaN'", name="price_not_negative"),
        Index("ix_cart_item_cart_id", "cart_id"),
        Index("ix_cart_item_product_id", "product_id"),
    )

    cart_id: Mapped[int] = mapped_column(ForeignKey("cart.id", ondelete="CASCADE"))
    product_id: Mapped[int | None] = mapped_column(ForeignKey("product.id", ondelete="SET NULL"))
    quantity: Mapped[int] = mapped_column(Integer, server_default="1")
    price: Mapped[PriceColumn]
    variants: Mapped[dict[str, Any] | None]
    variants_label: Mapped[str] = mapped_column(String(LABEL_LENGTH), server_default="")
