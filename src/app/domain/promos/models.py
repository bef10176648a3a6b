"""Flash promotions. What a promotion is at a moment is read from the clock; only its cancellation is stored."""

import datetime as dt

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PercentColumn, PriceColumn


class FlashPromo(Identified, Base):
    """A price for a store's product between two instants, for the right people near the store.

    `pool_id` is the stock that its buyers compete for: the store product's, or with `max_units` one set aside for it.
    """

    __tablename__ = "flash_promo"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("promo_price IS NULL OR discount_percent IS NULL", name="one_price"),
        CheckConstraint("promo_price >= 0 AND promo_price <> 'NaN'", name="promo_price"),
        CheckConstraint("discount_percent BETWEEN 0 AND 100", name="discount_percent"),
        CheckConstraint("max_units > 0 AND per_user_limit > 0 AND radius_m > 0", name="counts_positive"),
        CheckConstraint(
            "segments <@ ARRAY['new', 'frequent']::text[] AND cardinality(segments) BETWEEN 1 AND 2", name="segments"
        ),
        Index("ix_flash_promo_store_product_id", "store_product_id"),
        Index("ix_flash_promo_window", "starts_at", "ends_at", postgresql_where=text("cancelled_at IS NULL")),
        Index("ix_flash_promo_start_told", "starts_at", postgresql_where=text("NOT start_told")),
        Index("ix_flash_promo_end_told", "ends_at", postgresql_where=text("NOT end_told")),
    )

    store_product_id: Mapped[int] = mapped_column(ForeignKey("store_product.id"))
    pool_id: Mapped[int] = mapped_column(ForeignKey("stock_pool.id"))
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    cancelled_at: Mapped[Instant | None]
    promo_price: Mapped[PriceColumn | None]
    discount_percent: Mapped[PercentColumn | None]
    max_units: Mapped[int | None] = mapped_column(Integer)
    per_user_limit: Mapped[int] = mapped_column(Integer, server_default="1")
    segments: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{new,frequent}'"))
    radius_m: Mapped[int] = mapped_column(Integer, server_default="2000")
    created_at: Mapped[CreatedAt]
    # Whether the events of its start and its end have been noted: each is told once, by whoever sees the clock first.
    start_told: Mapped[bool] = mapped_column(server_default=text("false"))
    end_told: Mapped[bool] = mapped_column(server_default=text("false"))


class PromoNotification(Base):
    """A user is told of a promotion on a day of the shop's zone: once, whoever asks how often.

    `place` numbers the user's promotions of that day, so that the daily cap holds however many promotions start at
    once. `devices` is how many of the user's devices get a push; null until that has been looked up. Partitioned by
    the day's month.
    """

    __tablename__ = "promo_notification"
    __table_args__ = (
        # The day first: new rows of a log of ninety days lie side by side in the index.
        UniqueConstraint("sent_date", "user_id", "place"),
        CheckConstraint("place > 0", name="place_positive"),
        CheckConstraint("devices >= 0", name="devices_not_negative"),
        Index("ix_promo_notification_open", "promo_id", "id", postgresql_where=text("devices IS NULL")),
        {"postgresql_partition_by": "RANGE (sent_date)"},
    )

    # No foreign keys: the fan-out would lock, and so rewrite, the row of every user it writes about.
    # Nobody looks a row up by its id alone: a range of them is what a job is about.
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=False))
    promo_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sent_date: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(SmallInteger)
    devices: Mapped[int | None] = mapped_column(SmallInteger)
    created_at: Mapped[CreatedAt]
