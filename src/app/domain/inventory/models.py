"""How many: pools, slots, reservations and the ledger (see docs/decisions/0002-stock-and-holds.md)."""

import datetime as dt
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, SmallInteger, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PriceColumn


class StockLocation(Identified, Base):
    """A place where units are kept; what stands for it (a distribution centre) belongs to a later domain."""

    __tablename__ = "stock_location"
    __table_args__ = (CheckConstraint("name <> ''", name="name_given"),)

    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[CreatedAt]


class StockPool(Identified, Base):
    """What is counted together. A pool that was set aside knows the pool it came from and when it closes."""

    __tablename__ = "stock_pool"
    __table_args__ = (
        CheckConstraint("(parent_id IS NULL) = (closes_at IS NULL)", name="parent_closes"),
        Index("ix_stock_pool_open_children", "parent_id", postgresql_where=text("settled_at IS NULL")),
        Index("ix_stock_pool_location_id", "location_id", postgresql_where=text("location_id IS NOT NULL")),
    )

    parent_id: Mapped[int | None] = mapped_column(ForeignKey("stock_pool.id"))
    closes_at: Mapped[Instant | None]
    # Set when a closed pool has no unit left to move back: readers stop looking at it.
    settled_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    # Where the units are; None is the shop itself.
    location_id: Mapped[int | None] = mapped_column(ForeignKey("stock_location.id"))


class StockSlot(Base):
    """A part of a pool's free units. Claims of one pool that meet take different slots and need not wait."""

    __tablename__ = "stock_slot"
    # Half-empty pages and no index on `available` keep the updates heap-only.
    __table_args__ = (
        CheckConstraint("available >= 0", name="available_not_negative"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    pool_id: Mapped[int] = mapped_column(ForeignKey("stock_pool.id"), primary_key=True)
    n: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    # What comes back is added to a slot that may be as full as input allows: wider than any number that is sent.
    available: Mapped[int]


class ReservationColumns(Identified):
    """What a live and a finished reservation share. No foreign keys: their row locks would be the queue."""

    pool_id: Mapped[int]
    promo_id: Mapped[int]
    store_product_id: Mapped[int]
    user_id: Mapped[int]
    token: Mapped[UUID]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[PriceColumn]
    expires_at: Mapped[Instant]
    created_at: Mapped[CreatedAt]


class Reservation(ReservationColumns, Base):
    """A hold that nobody has ended yet. Past `expires_at` it is over, whether or not it has been swept."""

    __tablename__ = "reservation"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        Index("uq_reservation_token", "token", unique=True),
        # One hold a buyer and promotion.
        Index("uq_reservation_promo_id_user_id", "promo_id", "user_id", unique=True),
        Index("ix_reservation_pool_id_expires_at", "pool_id", "expires_at"),
        Index("ix_reservation_expires_at", "expires_at"),
    )


class FinishedReservation(ReservationColumns, Base):
    """A hold that became an order, was cancelled or ran out; kept out of the live table and its indexes."""

    __tablename__ = "reservation_finished"
    __table_args__ = (
        CheckConstraint("status IN ('confirmed', 'cancelled', 'expired')", name="status"),
        CheckConstraint("(status = 'confirmed') = (order_id IS NOT NULL)", name="confirmed_has_order"),
        Index("uq_reservation_finished_token", "token", unique=True),
        Index(
            "ix_reservation_finished_bought",
            "promo_id",
            "user_id",
            postgresql_where=text("status = 'confirmed' AND returned_at IS NULL"),
        ),
        Index("ix_reservation_finished_order_id", "order_id", postgresql_where=text("order_id IS NOT NULL")),
        Index("ix_reservation_finished_promo_id", "promo_id", "id"),
    )

    status: Mapped[str] = mapped_column(String(10))
    finished_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    order_id: Mapped[int | None]
    # When the order was cancelled and its units came back; they no longer count against the buyer's limit.
    returned_at: Mapped[Instant | None]


class ArchivedReservation(Base):
    """A finished hold that nothing refers to any more: not sold, and old. Partitioned by the month of its end."""

    __tablename__ = "reservation_archive"
    __table_args__ = (
        CheckConstraint("status IN ('cancelled', 'expired')", name="status"),
        Index("ix_reservation_archive_token", "token"),
        Index("ix_reservation_archive_promo_id", "promo_id", "id"),
        {"postgresql_partition_by": "RANGE (finished_at)"},
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    pool_id: Mapped[int]
    promo_id: Mapped[int]
    store_product_id: Mapped[int]
    user_id: Mapped[int]
    token: Mapped[UUID]
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price: Mapped[PriceColumn]
    expires_at: Mapped[Instant]
    created_at: Mapped[Instant]
    status: Mapped[str] = mapped_column(String(10))
    finished_at: Mapped[Instant] = mapped_column(primary_key=True)


class StockEntry(Identified, Base):
    """The ledger: one row for every lasting change of a pool. Append-only."""

    __tablename__ = "stock_ledger"
    __table_args__ = (
        CheckConstraint("delta <> 0", name="delta_not_zero"),
        CheckConstraint("kind IN ('opening', 'adjustment', 'set_aside', 'sale', 'return')", name="kind"),
        Index("ix_stock_ledger_pool_id", "pool_id"),
    )

    pool_id: Mapped[int] = mapped_column(ForeignKey("stock_pool.id"))
    delta: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12))
    cause: Mapped[str] = mapped_column(String(200), server_default="")
    created_at: Mapped[CreatedAt]


class LoweredPool(Identified, Base):
    """A pool that something else than a new order has lowered: whoever tells of scarce stock has yet to look at it.

    A queue without keys, so that nobody who writes into it waits for anybody.
    """

    __tablename__ = "stock_lowered"

    pool_id: Mapped[int]
