"""Payments, their attempts, charges, refunds and notifications."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

AMOUNT = sa.Numeric(14, 2)


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _instant(name: str, *, now: bool = False, nullable: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _line(name: str, length: int, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=nullable, server_default=default)


def _number(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _amount(name: str, default: str | None = None) -> sa.Column:
    return sa.Column(name, AMOUNT, nullable=False, server_default=default)


def _key(name: str) -> sa.Column:
    return sa.Column(name, sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()"))


def _reference(table: str, column: str, to: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"), ondelete=ondelete)


def _create_payment() -> None:
    op.create_table(
        "payment",
        _id(),
        _number("order_id"),
        _number("user_id", nullable=True),
        _key("reference"),
        _line("mercadopago_id", 64, ""),
        _line("status", 10, "pending"),
        sa.Column("amount", sa.Numeric(10, 2), nullable=False),
        _amount("captured_amount", "0"),
        _amount("refunded_amount", "0"),
        sa.Column("flags", sa.ARRAY(sa.String(20)), nullable=False, server_default=sa.text("'{}'")),
        _instant("check_at", nullable=True),
        _instant("created_at", now=True),
        _instant("updated_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        _reference("payment", "order_id", "orders.id", "CASCADE"),
        _reference("payment", "user_id", "users.id", "SET NULL"),
        sa.UniqueConstraint("order_id", name=op.f("uq_payment_order_id")),
        sa.UniqueConstraint("reference", name=op.f("uq_payment_reference")),
        sa.CheckConstraint("status IN ('pending', 'approved', 'rejected', 'refunded')", name=op.f("ck_payment_status")),
        sa.CheckConstraint(
            "refunded_amount >= 0 AND refunded_amount <= captured_amount",
            name=op.f("ck_payment_refunds_within_captured"),
        ),
        sa.CheckConstraint(
            "(status IN ('approved', 'refunded')) = (captured_amount > 0)",
            name=op.f("ck_payment_captured_when_approved"),
        ),
        sa.CheckConstraint(
            "(status = 'refunded') <= (refunded_amount = captured_amount)",
            name=op.f("ck_payment_refunded_when_nothing_left"),
        ),
    )
    op.create_index("ix_payment_check_at", "payment", ["check_at"], postgresql_where=sa.text("check_at IS NOT NULL"))
    op.create_index("ix_payment_user_id", "payment", ["user_id"])


def _create_attempt() -> None:
    op.create_table(
        "payment_attempt",
        _id(),
        _number("payment_id"),
        _line("state", 10, "requested"),
        sa.Column("amount", sa.Numeric(10, 2), nullable=False),
        _line("preference_id", 100, ""),
        _line("init_point", 500, ""),
        _instant("expires_at"),
        _instant("created_at", now=True),
        _instant("updated_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_attempt")),
        _reference("payment_attempt", "payment_id", "payment.id", "CASCADE"),
        sa.CheckConstraint("state IN ('requested', 'ready', 'closed', 'lost')", name=op.f("ck_payment_attempt_state")),
        sa.CheckConstraint(
            "state <> 'ready' OR preference_id <> ''", name=op.f("ck_payment_attempt_ready_has_a_preference")
        ),
    )
    op.create_index(
        "uq_payment_attempt_ready",
        "payment_attempt",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index("ix_payment_attempt_payment_id", "payment_attempt", ["payment_id"])
    op.create_index(
        "ix_payment_attempt_requested",
        "payment_attempt",
        ["updated_at"],
        postgresql_where=sa.text("state = 'requested'"),
    )


def _create_charge() -> None:
    op.create_table(
        "payment_charge",
        _id(),
        _number("payment_id"),
        _line("number", 64),
        _line("state", 10),
        _line("status", 40),
        _line("status_detail", 80, ""),
        _amount("amount"),
        _amount("refunded", "0"),
        _line("currency", 10),
        sa.Column("settling", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        _line("problem", 20, ""),
        _instant("changed_at"),
        _instant("created_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_charge")),
        _reference("payment_charge", "payment_id", "payment.id", "CASCADE"),
        sa.UniqueConstraint("number", name=op.f("uq_payment_charge_number")),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'rejected', 'refunded')", name=op.f("ck_payment_charge_state")
        ),
        sa.CheckConstraint(
            "amount >= 0 AND refunded >= 0 AND refunded <= amount", name=op.f("ck_payment_charge_refunds_within_amount")
        ),
        sa.CheckConstraint("NOT (settling AND problem <> '')", name=op.f("ck_payment_charge_settles_without_problem")),
    )
    op.create_index(
        "uq_payment_charge_settling",
        "payment_charge",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("settling"),
    )
    op.create_index("ix_payment_charge_payment_id", "payment_charge", ["payment_id"])


def _create_refund() -> None:
    op.create_table(
        "payment_refund",
        _id(),
        _number("charge_id"),
        _amount("amount"),
        _key("key"),
        sa.Column("request_mark", sa.LargeBinary(), nullable=True),
        _line("number", 64, nullable=True),
        _line("state", 10, "requested"),
        _line("origin", 10),
        _number("by_id", nullable=True),
        _line("error", 300, ""),
        _instant("busy_until", nullable=True),
        _instant("created_at", now=True),
        _instant("done_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_refund")),
        _reference("payment_refund", "charge_id", "payment_charge.id", "CASCADE"),
        _reference("payment_refund", "by_id", "users.id", "SET NULL"),
        sa.UniqueConstraint("key", name=op.f("uq_payment_refund_key")),
        sa.UniqueConstraint("request_mark", name=op.f("uq_payment_refund_request_mark")),
        sa.UniqueConstraint("number", name=op.f("uq_payment_refund_number")),
        sa.CheckConstraint("state IN ('requested', 'done', 'failed')", name=op.f("ck_payment_refund_state")),
        sa.CheckConstraint(
            "origin IN ('staff', 'duplicate', 'late', 'provider')", name=op.f("ck_payment_refund_origin")
        ),
        sa.CheckConstraint("amount > 0 AND amount <> 'NaN'", name=op.f("ck_payment_refund_amount_positive")),
        sa.CheckConstraint("state <> 'done' OR number IS NOT NULL", name=op.f("ck_payment_refund_done_has_a_number")),
    )
    op.create_index("ix_payment_refund_charge_id", "payment_refund", ["charge_id"])
    op.create_index(
        "ix_payment_refund_open", "payment_refund", ["busy_until"], postgresql_where=sa.text("state = 'requested'")
    )


def _create_notification() -> None:
    op.create_table(
        "payment_notification",
        _id(),
        _line("resource", 64),
        _line("action", 40, ""),
        _line("happened_at", 40, ""),
        _line("request_id", 128, ""),
        sa.Column("raw", sa.Text(), nullable=False, server_default=""),
        _line("outcome", 20, ""),
        _instant("received_at", now=True),
        _instant("handled_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_notification")),
    )
    op.create_index(
        "uq_payment_notification_event", "payment_notification", ["resource", "action", "happened_at"], unique=True
    )
    op.create_index(
        "ix_payment_notification_open",
        "payment_notification",
        ["received_at"],
        postgresql_where=sa.text("handled_at IS NULL"),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_payment()
    _create_attempt()
    _create_charge()
    _create_refund()
    _create_notification()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("payment_notification", "payment_refund", "payment_charge", "payment_attempt", "payment"):
        op.drop_table(table)
