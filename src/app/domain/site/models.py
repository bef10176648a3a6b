"""The site's configuration: one row."""

from sqlalchemy import CheckConstraint, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, PriceColumn, UpdatedAt


class SiteConfig(Base):
    """What staff set for the whole shop. A change is announced to every process at its commit (a trigger)."""

    __tablename__ = "site_config"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("min_purchase_amount >= 0 AND min_purchase_amount <> 'NaN'", name="min_purchase_not_negative"),
    )

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, server_default=text("1"))
    min_purchase_amount: Mapped[PriceColumn] = mapped_column(server_default=text("0"))
    maintenance_mode: Mapped[bool] = mapped_column(server_default=text("false"))
    maintenance_message: Mapped[str] = mapped_column(Text, server_default="")
    # Argon2; empty when no password lets anybody past the maintenance mode.
    bypass_password_hash: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class Invariant(Base):
    """How many rows broke a rule that nothing may break, when it was last looked at."""

    __tablename__ = "invariant"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    violations: Mapped[int]
    checked_at: Mapped[CreatedAt]
