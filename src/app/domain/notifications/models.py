"""Every push to every device: what was to be said, and what became of it."""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Date, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant
from app.domain.notifications.rules import KINDS, STATES

_KIND_LIST = ", ".join(f"'{kind}'" for kind in KINDS)
_STATE_LIST = ", ".join(f"'{state}'" for state in STATES)


class PushLog(Identified, Base):
    """One push to one device. `user_id` is whom it was for: the device may belong to somebody else by now.

    It waits until `due_at`; while it is being sent, `due_at` is when its sender counts as dead; from `expires_at` on it
    is not worth sending. A push of a promotion goes to a device once a day.
    """

    __tablename__ = "push_log"
    __table_args__ = (
        UniqueConstraint("device_token_id", "promo_id", "sent_date"),
        CheckConstraint(f"notification_type IN ({_KIND_LIST})", name="notification_type"),
        CheckConstraint(f"state IN ({_STATE_LIST})", name="state"),
        CheckConstraint(
            "(promo_id IS NULL) = (promo_notification_id IS NULL)",
            name="promo_has_a_day",
        ),
        Index("ix_push_log_user_id", "user_id", text("id DESC")),
        Index("ix_push_log_open", "due_at", postgresql_where=text("state IN ('waiting', 'sending')")),
        Index(
            "ix_push_log_promo_notification_id",
            "promo_notification_id",
            postgresql_where=text("promo_notification_id IS NOT NULL"),
        ),
        Index("ix_push_log_fcm_message_id", "fcm_message_id", postgresql_where=text("fcm_message_id <> ''")),
        Index(
            "uq_push_log_order_event_id",
            "order_event_id",
            "device_token_id",
            "notification_type",
            "sent_date",
            unique=True,
            postgresql_where=text("order_event_id IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (sent_date)"},
    )

    # No foreign keys: each would lock, and so rewrite, a row of the device and of the user for every push.
    device_token_id: Mapped[int]
    user_id: Mapped[int]
    promo_notification_id: Mapped[int | None]
    promo_id: Mapped[int | None]
    # The promotion's day, that of the order's event, or else that of the writing: what is to be once has one day, so
    # that keys over the months' partitions, which have to hold it, are as strict as without it.
    sent_date: Mapped[dt.date] = mapped_column(
        Date, primary_key=True, server_default=text("(now() AT TIME ZONE 'UTC')::date")
    )
    order_event_id: Mapped[int | None]
    notification_type: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(String(500))
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    collapse_id: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10), server_default="waiting")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    fcm_message_id: Mapped[str] = mapped_column(String(200), server_default="")
    error_message: Mapped[str] = mapped_column(Text, server_default="")
    due_at: Mapped[Instant] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[Instant]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[Instant | None]


class LowStockNotice(Base):
    """That staff were told of a pool's fall to the limit, by the look of this name.

    `entry_id` is the last row of the ledger that left more than that. `held`: what is missing was held by people who
    may yet let it go, and then it counts as risen again.
    """

    __tablename__ = "low_stock_notice"
    __table_args__ = (Index("ix_low_stock_notice_held", "pool_id", postgresql_where=text("held")),)

    pool_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[int]
    held: Mapped[bool]
    look: Mapped[UUID]
