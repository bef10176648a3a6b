"""The shop's spreadsheet: runs of the synchronisation, and what each product's row said last."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, SmallInteger, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Instant

ACTIVE = "status IN ('pending', 'running')"


class SheetRun(Base):
    """One synchronisation with its progress. At most one is active; `owner` is the process that works on it."""

    __tablename__ = "sheet_run"
    __table_args__ = (
        CheckConstraint("direction IN ('bidirectional', 'to-sheets', 'from-sheets')", name="direction"),
        CheckConstraint("trigger IN ('api', 'cron', 'job', 'command')", name="trigger"),
        CheckConstraint("status IN ('pending', 'running', 'completed', 'failed', 'cancelled')", name="status"),
        CheckConstraint(f"(finished_at IS NULL) = ({ACTIVE})", name="finished_has_a_time"),
        Index("uq_sheet_run_active", "lane", unique=True, postgresql_where=text(ACTIVE)),
        Index("ix_sheet_run_started_at", text("started_at DESC")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    # The same in every row, so that the index above lets one active run be.
    lane: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    direction: Mapped[str] = mapped_column(String(13))
    # The products that it is about; None is all.
    product_ids: Mapped[list[int] | None] = mapped_column(JSONB(none_as_null=True))
    trigger: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10), server_default="pending")
    owner: Mapped[UUID | None]
    # Who of the staff began it; None is the clock, the command line, or somebody who is gone.
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    total: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    done: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    created: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    updated: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    skipped: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    pushed: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    failed: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    errors: Mapped[Any] = mapped_column(JSONB, server_default=text("'[]'"))
    error: Mapped[str] = mapped_column(Text, server_default="")
    started_at: Mapped[CreatedAt]
    heartbeat_at: Mapped[CreatedAt]
    finished_at: Mapped[Instant | None]


class SheetRow(Base):
    """What a product's row said when both sides were last known to agree, field by field.

    `writing` is a row that is on its way to the sheet: if the row bears its stamp, it arrived. `awaits_id` is a product
    made from a row that does not bear its id yet. An excluded product was taken out of the sheet and stays out.
    """

    __tablename__ = "sheet_row"
    __table_args__ = (CheckConstraint("row_number > 1", name="below_the_header"),)

    product_id: Mapped[int] = mapped_column(ForeignKey("product.id", ondelete="CASCADE"), primary_key=True)
    row_number: Mapped[int | None] = mapped_column(Integer)
    seen: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    writing: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
    awaits_id: Mapped[bool] = mapped_column(server_default=text("false"))
    excluded: Mapped[bool] = mapped_column(server_default=text("false"))
    synced_at: Mapped[Instant | None]
