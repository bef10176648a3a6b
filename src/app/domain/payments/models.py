"""The money: payments of orders and all that belongs to them. Distribution centres: where orders leave from."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Numeric, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.models import Base, CreatedAt, Identified, Instant, PriceColumn, UpdatedAt

# What a provider says may be more than any price of ours.
_AMOUNT = Numeric(14, 2)


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


class Payment(Identified, Base):
    """An order's one payment. The provider knows it by `reference`; its captured money is the settling charge's.

    `check_at` is when the provider is asked again unless it says something by itself; null is never.
    """

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'approved', 'rejected', 'refunded')", name="status"),
        CheckConstraint("refunded_amount >= 0 AND refunded_amount <= captured_amount", name="refunds_within_captured"),
        CheckConstraint("(status IN ('approved', 'refunded')) = (captured_amount > 0)", name="captured_when_approved"),
        CheckConstraint(
            "(status = 'refunded') <= (refunded_amount = captured_amount)", name="refunded_when_nothing_left"
        ),
        Index("ix_payment_check_at", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        Index("ix_payment_user_id", "user_id"),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    reference: Mapped[UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    mercadopago_id: Mapped[str] = mapped_column(String(64), server_default="")
    status: Mapped[str] = mapped_column(String(10), server_default="pending")
    amount: Mapped[PriceColumn]
    captured_amount: Mapped[Decimal] = mapped_column(_AMOUNT, server_default="0")
    refunded_amount: Mapped[Decimal] = mapped_column(_AMOUNT, server_default="0")
    flags: Mapped[list[str]] = mapped_column(ARRAY(String(20)), server_default=text("'{}'"))
    check_at: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class PaymentAttempt(Identified, Base):
    """A preference: a page at the provider where the order can be paid, recorded before it is asked for.

    `requested`, then `ready`, and `closed` when it is over; `lost` when nobody knows what became of the request.
    """

    __tablename__ = "payment_attempt"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'ready', 'closed', 'lost')", name="state"),
        CheckConstraint("state <> 'ready' OR preference_id <> ''", name="ready_has_a_preference"),
        Index("uq_payment_attempt_ready", "payment_id", unique=True, postgresql_where=text("state = 'ready'")),
        Index("ix_payment_attempt_payment_id", "payment_id"),
        Index("ix_payment_attempt_requested", "updated_at", postgresql_where=text("state = 'requested'")),
    )

    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(10), server_default="requested")
    amount: Mapped[PriceColumn]
    preference_id: Mapped[str] = mapped_column(String(100), server_default="")
    init_point: Mapped[str] = mapped_column(String(500), server_default="")
    expires_at: Mapped[Instant]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


class PaymentCharge(Identified, Base):
    """A payment at the provider, as it was last seen. One of an order's settles it; `problem` says why one cannot."""

    __tablename__ = "payment_charge"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'approved', 'rejected', 'refunded')", name="state"),
        CheckConstraint("amount >= 0 AND refunded >= 0 AND refunded <= amount", name="refunds_within_amount"),
        CheckConstraint("NOT (settling AND problem <> '')", name="settles_without_problem"),
        Index("uq_payment_charge_settling", "payment_id", unique=True, postgresql_where=text("settling")),
        Index("ix_payment_charge_payment_id", "payment_id"),
    )

    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id", ondelete="CASCADE"))
    number: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(40))
    status_detail: Mapped[str] = mapped_column(String(80), server_default="")
    amount: Mapped[Decimal] = mapped_column(_AMOUNT)
    refunded: Mapped[Decimal] = mapped_column(_AMOUNT, server_default="0")
    currency: Mapped[str] = mapped_column(String(10))
    settling: Mapped[bool] = mapped_column(server_default=text("false"))
    problem: Mapped[str] = mapped_column(String(20), server_default="")
    changed_at: Mapped[Instant]
    created_at: Mapped[CreatedAt]


class PaymentRefund(Identified, Base):
    """Money that goes back, recorded before the provider is asked, by a key of its own; `number` is the provider's.

    `busy_until`: somebody is asking at this moment. `origin` is why: staff, a second payment, one that came too late,
    or the provider's own panel.
    """

    __tablename__ = "payment_refund"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'done', 'failed')", name="state"),
        CheckConstraint("origin IN ('staff', 'duplicate', 'late', 'provider')", name="origin"),
        CheckConstraint("amount > 0 AND amount <> 'NaN'", name="amount_positive"),
        CheckConstraint("state <> 'done' OR number IS NOT NULL", name="done_has_a_number"),
        Index("ix_payment_refund_charge_id", "charge_id"),
        Index("ix_payment_refund_open", "busy_until", postgresql_where=text("state = 'requested'")),
    )

    charge_id: Mapped[int] = mapped_column(ForeignKey("payment_charge.id", ondelete="CASCADE"))
    amount: Mapped[Decimal] = mapped_column(_AMOUNT)
    key: Mapped[UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    # The client's own key, hashed: a request that is sent again means this very refund.
    request_mark: Mapped[bytes | None] = mapped_column(unique=True)
    number: Mapped[str | None] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(10), server_default="requested")
    origin: Mapped[str] = mapped_column(String(10))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    error: Mapped[str] = mapped_column(String(300), server_default="")
    busy_until: Mapped[Instant | None]
    created_at: Mapped[CreatedAt]
    done_at: Mapped[Instant | None]


class PaymentNotification(Identified, Base):
    """The inbox: what the provider told, kept before it is acted on. Told again, it is the same row.

    `resource` is a payment's number there; `happened_at` is the provider's text. `outcome` is what it came to.
    """

    __tablename__ = "payment_notification"
    __table_args__ = (
        Index("uq_payment_notification_event", "resource", "action", "happened_at", unique=True),
        Index("ix_payment_notification_open", "received_at", postgresql_where=text("handled_at IS NULL")),
    )

    resource: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(40), server_default="")
    happened_at: Mapped[str] = mapped_column(String(40), server_default="")
    request_id: Mapped[str] = mapped_column(String(128), server_default="")
    raw: Mapped[str] = mapped_column(Text, server_default="")
    outcome: Mapped[str] = mapped_column(String(20), server_default="")
    received_at: Mapped[CreatedAt]
    handled_at: Mapped[Instant | None]
