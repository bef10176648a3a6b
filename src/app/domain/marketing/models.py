"""Why less: coupons and their uses, offers, bulk promotions, discounts by weekday."""

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PercentColumn, PriceColumn, UpdatedAt

CODE_LENGTH = 50
_NEWEST = (text("created_at DESC"), text("id DESC"))
# What was bought may be dearer than any price, and so may what comes off it.
AmountColumn = Annotated[Decimal, mapped_column(Numeric(22, 2))]


class Keyed:
    """A random key that says nothing about how many there are."""

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid(), sort_order=-10)


class Coupon(Keyed, Base):
    """A code that takes something off an order. `used` is the number of its live uses, kept by who takes one.

    `for_categories` stays when the last of its categories is gone: such a coupon is good for nothing, not for all.
    """

    __tablename__ = "coupon"
    __table_args__ = (
        CheckConstraint("code <> '' AND code = upper(code)", name="code_upper_case"),
        CheckConstraint("type IN ('percentage', 'fixed')", name="type"),
        CheckConstraint("value > 0 AND value <> 'NaN' AND (type = 'fixed' OR value <= 100)", name="value"),
        CheckConstraint("max_amount > 0 AND max_amount <> 'NaN'", name="max_amount_positive"),
        CheckConstraint("min_purchase >= 0 AND min_purchase <> 'NaN'", name="min_purchase_not_negative"),
        CheckConstraint("used >= 0 AND (max_uses IS NULL OR used <= max_uses)", name="used_within_max_uses"),
        CheckConstraint("max_uses_per_user > 0", name="max_uses_per_user_positive"),
        Index("ix_coupon_newest", *_NEWEST),
    )

    code: Mapped[str] = mapped_column(String(CODE_LENGTH), unique=True)
    type: Mapped[str] = mapped_column(String(10))
    value: Mapped[PriceColumn]
    max_amount: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    min_purchase: Mapped[PriceColumn] = mapped_column(server_default=text("0"))
    max_uses: Mapped[int | None] = mapped_column(Integer)
    max_uses_per_user: Mapped[int | None] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    expires_at: Mapped[Instant | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    for_categories: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class CouponUse(Identified, Base):
    """A use of a coupon by an order; live until it is given back. An order has one live use at most."""

    __tablename__ = "coupon_use"
    __table_args__ = (
        CheckConstraint("purchase_amount >= 0 AND discount_amount >= 0", name="amounts_not_negative"),
        Index("uq_coupon_use_live", "order_id", unique=True, postgresql_where=text("given_back_at IS NULL")),
        Index("ix_coupon_use_coupon_id", "coupon_id", "id", postgresql_where=text("given_back_at IS NULL")),
        Index("ix_coupon_use_coupon_id_user_id", "coupon_id", "user_id"),
        Index("ix_coupon_use_user_id", "user_id"),
        Index("ix_coupon_use_order_id", "order_id"),
    )

    coupon_id: Mapped[UUID] = mapped_column(ForeignKey("coupon.id", ondelete="CASCADE"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    # Looked at when the transaction ends: what an order takes may be written before the order.
    order_id: Mapped[int | None] = mapped_column(
        ForeignKey("orders.id", ondelete="SET NULL", deferrable=True, initially="DEFERRED")
    )
    purchase_amount: Mapped[AmountColumn]
    discount_amount: Mapped[AmountColumn]
    used_at: Mapped[CreatedAt]
    given_back_at: Mapped[Instant | None]


class Offer(Keyed, Base):
    """A percentage off some products from one instant through another."""

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("discount >= 0 AND discount <= 100", name="discount_percent"),
        CheckConstraint("start_date < end_date", name="ends_after_start"),
        Index("ix_offer_newest", *_NEWEST),
        Index("ix_offer_end_date", "end_date"),
    )

    name: Mapped[str] = mapped_column(String(200))
    discount: Mapped[PercentColumn]
    start_date: Mapped[Instant]
    end_date: Mapped[Instant]
    # When its end was counted by the call that counts ended offers.
    end_counted_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class BulkPromotion(Keyed, Base):
    """Of `buy_quantity` units of one line only `pay_quantity` are paid, up to `max_applications` times a line."""

    __tablename__ = "bulk_promotion"
    __table_args__ = (
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("promotion_type IN ('3x2', '2x1', '4x3', '5x4', 'custom')", name="promotion_type"),
        CheckConstraint("pay_quantity >= 1 AND pay_quantity < buy_quantity", name="pays_less"),
        CheckConstraint("max_applications >= 1", name="applies_at_least_once"),
        CheckConstraint("start_date < end_date", name="ends_after_start"),
        Index("ix_bulk_promotion_newest", *_NEWEST),
        Index("ix_bulk_promotion_end_date", "end_date"),
    )

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, server_default="")
    promotion_type: Mapped[str] = mapped_column(String(10))
    buy_quantity: Mapped[int] = mapped_column(Integer)
    pay_quantity: Mapped[int] = mapped_column(Integer)
    start_date: Mapped[Instant]
    end_date: Mapped[Instant]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    priority: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_applications: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[CreatedAt]


class ScheduledDiscount(Keyed, Base):
    """A percentage off a category and all below it, on one weekday (0 is Monday) between two times of the shop's clock.

    It is on from `start_time` until before `end_time`; 23:59:59 is the end of the day, an end before the start lies on
    the next day. `override` is what somebody decided by hand; it counts until `override_until`, without one until the
    discount is edited.
    """

    __tablename__ = "scheduled_discount"
    __table_args__ = (
        UniqueConstraint("category_id", "day_of_week"),
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("day_of_week BETWEEN 0 AND 6", name="day_of_week"),
        CheckConstraint("discount >= 0 AND discount <= 100", name="discount_percent"),
        CheckConstraint("start_time <> end_time", name="lasts"),
        CheckConstraint("valid_from <= valid_until", name="valid_until_after_from"),
        CheckConstraint("override IN ('applied', 'removed')", name="override"),
        CheckConstraint("(override IS NULL) = (override_since IS NULL)", name="override_has_a_time"),
        CheckConstraint("override IS NOT NULL OR override_until IS NULL", name="override_until_of_one"),
        Index("ix_scheduled_discount_newest", *_NEWEST),
    )

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, server_default="")
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id", ondelete="CASCADE"))
    day_of_week: Mapped[int] = mapped_column(SmallInteger)
    discount: Mapped[PercentColumn]
    start_time: Mapped[dt.time] = mapped_column(server_default=text("'00:00:00'"))
    end_time: Mapped[dt.time] = mapped_column(server_default=text("'23:59:59'"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    valid_from: Mapped[dt.date | None]
    valid_until: Mapped[dt.date | None]
    override: Mapped[str | None] = mapped_column(String(10))
    override_since: Mapped[Instant | None]
    override_until: Mapped[Instant | None]
    # Written by the periodic job and by hand, for people; no price looks at them.
    last_applied: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    last_removed: Mapped[dt.datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]


# Which products and categories something is for: gone with either.
coupon_category = Table(
    "coupon_category",
    Base.metadata,
    Column("coupon_id", ForeignKey("coupon.id", ondelete="CASCADE"), primary_key=True),
    Column("category_id", ForeignKey("category.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_coupon_category_category_id", "category_id"),
)
offer_product = Table(
    "offer_product",
    Base.metadata,
    Column("offer_id", ForeignKey("offer.id", ondelete="CASCADE"), primary_key=True),
    Column("product_id", ForeignKey("product.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_offer_product_product_id", "product_id"),
)
bulk_promotion_product = Table(
    "bulk_promotion_product",
    Base.metadata,
    Column("bulk_promotion_id", ForeignKey("bulk_promotion.id", ondelete="CASCADE"), primary_key=True),
    Column("product_id", ForeignKey("product.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_bulk_promotion_product_product_id", "product_id"),
)
bulk_promotion_category = Table(
    "bulk_promotion_category",
    Base.metadata,
    Column("bulk_promotion_id", ForeignKey("bulk_promotion.id", ondelete="CASCADE"), primary_key=True),
    Column("category_id", ForeignKey("category.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_bulk_promotion_category_category_id", "category_id"),
)
