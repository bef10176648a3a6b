"""Who came by: an address, and how often."""

from sqlalchemy import CheckConstraint, Index, String, Text, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified

COUNTRY_LENGTH = 100
CITY_LENGTH = 100
REFERRER_LENGTH = 500


class Visitor(Identified, Base):
    """One row for an address."""

    __tablename__ = "visitor"
    __table_args__ = (
        CheckConstraint("visit_count >= 1", name="visited"),
        Index("ix_visitor_last_visit", text("last_visit DESC"), text("id DESC")),
        Index("ix_visitor_first_visit", "first_visit"),
        Index("ix_visitor_visit_count", text("visit_count DESC"), text("last_visit DESC"), text("id DESC")),
    )

    ip_address: Mapped[str] = mapped_column(INET, unique=True)
    user_agent: Mapped[str] = mapped_column(Text, server_default="")
    first_visit: Mapped[CreatedAt]
    last_visit: Mapped[CreatedAt]
    visit_count: Mapped[int] = mapped_column(server_default=text("1"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    country: Mapped[str] = mapped_column(String(COUNTRY_LENGTH), server_default="")
    city: Mapped[str] = mapped_column(String(CITY_LENGTH), server_default="")
    referrer: Mapped[str] = mapped_column(String(REFERRER_LENGTH), server_default="")
