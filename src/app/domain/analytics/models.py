"""Sums of sales, by the quarter of an hour in which their orders were made, and the changes still to be added.

Triggers on the orders write the changes (alembic/sql/analytics_*.sql). What was sold is the sum of both tables at any
moment, read in one statement.
"""

from decimal import Decimal

from sqlalchemy import Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, Identified, Instant


class SalesQuarter(Base):
    """What was sold in a quarter of an hour: orders, those of them that are paid, and what these brought, net."""

    __tablename__ = "sales_quarter"

    quarter: Mapped[Instant] = mapped_column(primary_key=True)
    sales: Mapped[int]
    paid: Mapped[int]
    net: Mapped[Decimal] = mapped_column(Numeric(18, 2))


class SalesDelta(Identified, Base):
    """One change of an order, to be added to its quarter."""

    __tablename__ = "sales_delta"

    quarter: Mapped[Instant]
    sales: Mapped[int]
    paid: Mapped[int]
    net: Mapped[Decimal] = mapped_column(Numeric(18, 2))
