"""Distribution centres: where orders leave from."""

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, UpdatedAt


class DistributionCenter(Identified, Base):
    """A place from which the shop sends. Its stock is what the pools of its location hold.

    A deleted one keeps its row, for the ledger of what was kept there.
    """

    __tablename__ = "distribution_center"
    __table_args__ = (
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("address <> ''", name="address_given"),
    )

    location_id: Mapped[int] = mapped_column(ForeignKey("stock_location.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(String(50), server_default="")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    deleted_at: Mapped[Instant | None]
