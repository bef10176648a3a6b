"""Who is told of events, and what became of each telling."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, UpdatedAt
from app.domain.webhooks.rules.schedule import REASONS, STATES

URL_LENGTH = 2000
ERROR_LENGTH = 200


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


class Webhook(Identified, Base):
    """A subscription: where to, and which types; none listed is all. Its secrets are sealed.

    `failing_since` is the first failure after the last success. What is not active gets nothing, and `disabled_reason`
    says why when nobody chose it. Nothing is sent before `paused_until`: its receiver asked for that.
    """

    __tablename__ = "webhook"
    __table_args__ = (
        CheckConstraint("url <> ''", name="url_given"),
        CheckConstraint(f"disabled_reason IN ('', {_listed(REASONS)})", name="disabled_reason"),
        CheckConstraint("disabled_reason = '' OR NOT is_active", name="disabled_is_not_active"),
        CheckConstraint(
            "(previous_secret IS NULL) = (previous_secret_until IS NULL)", name="previous_secret_has_an_end"
        ),
    )

    url: Mapped[str] = mapped_column(String(URL_LENGTH))
    description: Mapped[str] = mapped_column(String(200), server_default="")
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_secret_until: Mapped[Instant | None]
    failing_since: Mapped[Instant | None]
    paused_until: Mapped[Instant | None]
    disabled_at: Mapped[Instant | None]
    disabled_reason: Mapped[str] = mapped_column(String(10), server_default="")
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class WebhookDelivery(Identified, Base):
    """One message for one receiver, whole: its bytes are the same at every try, and so is its id.

    `next_at` is when it is tried next; while it is being tried, when its sender counts as dead.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("webhook_id", "message_id"),
        CheckConstraint(f"state IN ({_listed(STATES)})", name="state"),
        CheckConstraint("(state = 'pending') = (next_at IS NOT NULL)", name="pending_has_a_time"),
        CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="finished_has_a_time"),
        Index("ix_webhook_delivery_due", "webhook_id", "next_at", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_webhook_delivery_newest", "webhook_id", text("id DESC")),
        Index("ix_webhook_delivery_finished_at", "finished_at", postgresql_where=text("state <> 'pending'")),
    )

    webhook_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("webhook.id", ondelete="CASCADE"))
    message_id: Mapped[str] = mapped_column(String(64))
    # The event's number in the feed; null for a trial.
    event_number: Mapped[int | None]
    event_type: Mapped[str] = mapped_column(String(50))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10), server_default="pending")
    # Of this round: a retry by hand begins a new one.
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_at: Mapped[Instant | None] = mapped_column(server_default=text("clock_timestamp()"))
    last_status: Mapped[int | None] = mapped_column(SmallInteger)
    last_error: Mapped[str] = mapped_column(String(ERROR_LENGTH), server_default="")
    created_at: Mapped[CreatedAt]
    finished_at: Mapped[Instant | None]


class WebhookAttempt(Identified, Base):
    """One try and its outcome: the receiver's status, or why there was none."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (Index("ix_webhook_attempt_delivery_id", "delivery_id", "id"),)

    delivery_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("webhook_delivery.id", ondelete="CASCADE"))
    at: Mapped[CreatedAt]
    milliseconds: Mapped[int] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    error: Mapped[str] = mapped_column(String(ERROR_LENGTH), server_default="")
