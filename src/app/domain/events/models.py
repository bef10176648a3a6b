"""What changed: noted with the change, then numbered (alembic/sql/events_1.sql)."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, Identified, Instant

TYPE_LENGTH = 50


class NotedEvent(Identified, Base):
    """An event that has no number yet. Triggers write it in the transaction of the change, one a change and object."""

    __tablename__ = "event_outbox"
    # Rows live for less than a second: what is left of them is cleaned up often.
    __table_args__ = (
        UniqueConstraint("xact", "type", "object_id"),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000}},
    )

    xact: Mapped[int] = mapped_column(server_default=text("(pg_current_xact_id()::text)::bigint"))
    uid: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    type: Mapped[str] = mapped_column(String(TYPE_LENGTH))
    object_id: Mapped[int]
    data: Mapped[dict[str, Any]]
    happened_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))


class Event(Base):
    """An event under its number. Append-only: who has read up to a number has missed none below it.

    Partitioned by the month of `happened_at`, which all keys therefore hold; numbers and ids are given once.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("id", "happened_at"),
        Index("ix_events_happened_at", "happened_at"),
        Index("ix_events_type", "type", "number"),
        {"postgresql_partition_by": "RANGE (happened_at)"},
    )

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    id: Mapped[UUID]
    type: Mapped[str] = mapped_column(String(TYPE_LENGTH))
    object_id: Mapped[int]
    data: Mapped[dict[str, Any]]
    happened_at: Mapped[Instant] = mapped_column(primary_key=True, server_default=text("clock_timestamp()"))
