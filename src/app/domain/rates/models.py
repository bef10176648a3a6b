"""Exchange rates: what a dollar costs in pesos, by kind of rate."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PriceColumn, UpdatedAt

RATE_TYPES = ("manual", "blue", "official")


class DollarRate(Identified, Base):
    """Pesos for a dollar. One rate of each kind is active; the older ones stay as its history."""

    __tablename__ = "dollar_rate"
    __table_args__ = (
        CheckConstraint("value > 0 AND value <> 'NaN'", name="value_positive"),
        CheckConstraint("rate_type IN ('manual', 'blue', 'official')", name="rate_type"),
        Index("uq_dollar_rate_active", "rate_type", unique=True, postgresql_where=text("is_active")),
        Index("ix_dollar_rate_newest", text("update_date DESC"), text("id DESC")),
    )

    value: Mapped[PriceColumn]
    rate_type: Mapped[str] = mapped_column(String(10), server_default="manual")
    # Whether the sources may replace it; one that a person keeps is left alone by the periodic update.
    auto_update: Mapped[bool] = mapped_column(server_default=text("false"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    # When a person set it, or a source last confirmed it.
    update_date: Mapped[CreatedAt]
    # Since when no source could confirm it.
    stale_since: Mapped[Instant | None]
    updated_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
