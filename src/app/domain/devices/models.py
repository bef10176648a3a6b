"""Where a push can reach somebody: the tokens of devices, and who wants to hear what at which hours."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, UpdatedAt

TOKEN_LENGTH = 512
_HOUR = "^([01][0-9]|2[0-3]):[0-5][0-9]$"


class DeviceToken(Identified, Base):
    """A device as the push service knows it. A token belongs to one user at a time, or to nobody yet.

    `is_active` alone decides whether a push may go there; `inactive_reason` tells why not: the device was removed, its
    user switched notifications off, the push service rejected the token, or newer devices took its place.
    """

    __tablename__ = "device_token"
    __table_args__ = (
        UniqueConstraint("token"),
        CheckConstraint("token <> ''", name="token_given"),
        CheckConstraint("platform IN ('android', 'ios', 'web')", name="platform"),
        CheckConstraint("inactive_reason IN ('', 'removed', 'off', 'rejected', 'replaced')", name="inactive_reason"),
        CheckConstraint("is_active = (inactive_reason = '')", name="inactive_for_a_reason"),
        Index("ix_device_token_user_id", "user_id"),
        Index("ix_device_token_registered_from", "registered_from", postgresql_where=text("user_id IS NULL")),
    )

    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token: Mapped[str] = mapped_column(String(TOKEN_LENGTH))
    platform: Mapped[str] = mapped_column(String(10))
    device_info: Mapped[Any] = mapped_column(server_default=text("'{}'"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    inactive_reason: Mapped[str] = mapped_column(String(10), server_default="")
    # The network of an anonymous registration, so that nobody fills the table without an account.
    registered_from: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    last_used: Mapped[Instant] = mapped_column(server_default=text("now()"))


class NotificationPreference(Identified, Base):
    """What a user wants to hear of, and when. The row without a user is the global one, which speaks for customers."""

    __tablename__ = "notification_preference"
    __table_args__ = (
        UniqueConstraint("user_id", postgresql_nulls_not_distinct=True),
        CheckConstraint(f"notification_start_hour ~ '{_HOUR}'", name="start_hour"),
        CheckConstraint(f"notification_end_hour ~ '{_HOUR}'", name="end_hour"),
        # Few switch notifications off: the audience is taken without them by a look at this index.
        Index("ix_notification_preference_off", "user_id", postgresql_where=text("NOT enabled")),
    )

    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    new_order_notifications: Mapped[bool] = mapped_column(server_default=text("true"))
    order_status_notifications: Mapped[bool] = mapped_column(server_default=text("true"))
    payment_notifications: Mapped[bool] = mapped_column(server_default=text("true"))
    low_stock_notifications: Mapped[bool] = mapped_column(server_default=text("true"))
    email_notifications: Mapped[bool] = mapped_column(server_default=text("true"))
    notification_start_hour: Mapped[str] = mapped_column(String(5), server_default="08:00")
    notification_end_hour: Mapped[str] = mapped_column(String(5), server_default="22:00")
    notification_sound: Mapped[bool] = mapped_column(server_default=text("true"))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
