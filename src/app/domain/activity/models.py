"""What was done by whom: the audit log."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified

ACTION_LENGTH = 50
OBJECT_ID_LENGTH = 100


class ActivityLog(Identified, Base):
    """One thing that was done to one object. Append-only: written in the transaction of what it records.

    `user_id` is null for what nobody signed in for (a job, the command line) and after the user's deletion. `changes`
    maps a field to its old and its new value: `{"price": ["100.00", "90.00"]}`. Partitioned by the month.
    """

    __tablename__ = "activity_log"
    __table_args__ = (
        CheckConstraint("action <> ''", name="action_given"),
        CheckConstraint("content_type <> ''", name="content_type_given"),
        CheckConstraint("jsonb_typeof(changes) = 'object'", name="changes_by_field"),
        Index("ix_activity_log_newest", text("timestamp DESC"), text("id DESC")),
        Index("ix_activity_log_user_id", "user_id", text("timestamp DESC"), text("id DESC")),
        Index("ix_activity_log_object", "content_type", "object_id", text("timestamp DESC"), text("id DESC")),
        {"postgresql_partition_by": "RANGE (timestamp)"},
    )

    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    action: Mapped[str] = mapped_column(String(ACTION_LENGTH))
    description: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(String(50))
    object_id: Mapped[str] = mapped_column(String(OBJECT_ID_LENGTH))
    changes: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    timestamp: Mapped[CreatedAt] = mapped_column(primary_key=True)
    ip_address: Mapped[Any | None] = mapped_column(INET)
