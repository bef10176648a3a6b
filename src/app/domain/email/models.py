"""Every mail that was to be sent and what became of it; addresses that get none; whether sending is halted."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant
from app.domain.email.rules.kinds import KINDS, REASONS, STATUSES

ADDRESS_LENGTH = 254
SUBJECT_LENGTH = 200


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


class Mail(Identified, Base):
    """One mail about one thing: `reference` is the id of the code, order or cart that `kind` speaks of.

    What it says is made anew each time it is sent, so no code stands here. `occurrence` tells several wanted mails of a
    kind about one thing apart. `message_id` stays the same however often it is sent. While it is being sent,
    `busy_until` is when its sender counts as dead.
    """

    __tablename__ = "mail"
    __table_args__ = (
        UniqueConstraint("kind", "reference", "occurrence"),
        UniqueConstraint("message_id"),
        CheckConstraint(f"kind IN ({_listed(KINDS)})", name="kind"),
        CheckConstraint(f"status IN ({_listed(STATUSES)})", name="status"),
        CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name="sent_has_a_time"),
        CheckConstraint("(status = 'sending') = (busy_until IS NOT NULL)", name="sending_has_an_end"),
        Index("ix_mail_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")),
        Index("ix_mail_created_at", "created_at"),
    )

    kind: Mapped[str] = mapped_column(String(20))
    reference: Mapped[int] = mapped_column(BigInteger)
    occurrence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    recipient: Mapped[str] = mapped_column(String(ADDRESS_LENGTH))
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="SET NULL"))
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH))
    message_id: Mapped[str] = mapped_column(String(320))
    status: Mapped[str] = mapped_column(String(10), server_default="queued")
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_error: Mapped[str] = mapped_column(Text, server_default="")
    busy_until: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    sent_at: Mapped[Instant | None]


class MailSuppression(Identified, Base):
    """An address, in lower case: one that bounced gets nothing for a while, one that unsubscribed no marketing."""

    __tablename__ = "mail_suppression"
    __table_args__ = (
        UniqueConstraint("address", "reason"),
        CheckConstraint(f"reason IN ({_listed(REASONS)})", name="reason"),
        CheckConstraint("address = lower(address) AND address <> ''", name="address_in_lower_case"),
    )

    address: Mapped[str] = mapped_column(String(ADDRESS_LENGTH))
    reason: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[CreatedAt]


class MailHalt(Base):
    """The one row, if there is one: the mail server refused our credentials, so nothing is tried `until` then."""

    __tablename__ = "mail_halt"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    reason: Mapped[str] = mapped_column(Text)
    until: Mapped[Instant]
    created_at: Mapped[CreatedAt]
