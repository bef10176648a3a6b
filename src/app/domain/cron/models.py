"""When each of the regular tasks ran last, and what came of it."""

from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, Instant


class CronRun(Base):
    """The last run of a task, whoever asked for it: a scheduler outside, the worker, the command line."""

    __tablename__ = "cron_run"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    last_run: Mapped[Instant]
    success: Mapped[bool]
    message: Mapped[str] = mapped_column(Text, server_default="")
    result: Mapped[Any | None] = mapped_column(JSONB(none_as_null=True))
