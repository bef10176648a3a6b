"""What was moved in from another shop's database: which row there became which of ours."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt

SOURCE_LENGTH = 200
ID_LENGTH = 64


class MovedRow(Base):
    """One row of a source that is done. It is written in the transaction that writes what the row became."""

    __tablename__ = "moved_row"
    __table_args__ = (Index("ix_moved_row_target", "kind", "target_id"),)

    source: Mapped[str] = mapped_column(String(SOURCE_LENGTH), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    source_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    target_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    moved_at: Mapped[CreatedAt]
