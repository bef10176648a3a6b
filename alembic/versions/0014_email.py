"""Mails, addresses that get none, and the halt after refused credentials."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

KINDS = (
    "'verification', 'password_reset', 'email_change', 'password_change', "
    "'order_created', 'payment_received', 'order_shipped', 'cart_reminder'"
)
STATUSES = "'queued', 'sending', 'sent', 'failed', 'suppressed'"


def _instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _line(name: str, length: int, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _create_mail() -> None:
    op.create_table(
        "mail",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _line("kind", 20),
        _number("reference"),
        sa.Column("occurrence", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        _line("recipient", 254),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        _line("subject", 200),
        _line("message_id", 320),
        _line("status", 10, "queued"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        _text("last_error"),
        _instant("busy_until"),
        _instant("created_at", nullable=False, now=True),
        _instant("sent_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mail_user_id"), ondelete="SET NULL"),
        sa.UniqueConstraint("kind", "reference", "occurrence", name=op.f("uq_mail_kind_reference_occurrence")),
        sa.UniqueConstraint("message_id", name=op.f("uq_mail_message_id")),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_mail_kind")),
        sa.CheckConstraint(f"status IN ({STATUSES})", name=op.f("ck_mail_status")),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_mail_sent_has_a_time")),
        sa.CheckConstraint("(status = 'sending') = (busy_until IS NOT NULL)", name=op.f("ck_mail_sending_has_an_end")),
    )
    op.create_index("ix_mail_user_id", "mail", ["user_id"], postgresql_where=sa.text("user_id IS NOT NULL"))
    op.create_index("ix_mail_created_at", "mail", ["created_at"])


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_mail()
    op.create_table(
        "mail_suppression",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        _line("address", 254),
        _line("reason", 20),
        _text("detail"),
        _instant("created_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_suppression")),
        sa.UniqueConstraint("address", "reason", name=op.f("uq_mail_suppression_address_reason")),
        sa.CheckConstraint("reason IN ('bounced', 'unsubscribed')", name=op.f("ck_mail_suppression_reason")),
        sa.CheckConstraint(
            "address = lower(address) AND address <> ''", name=op.f("ck_mail_suppression_address_in_lower_case")
        ),
    )
    op.create_table(
        "mail_halt",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False, server_default=sa.text("1")),
        sa.Column("reason", sa.Text(), nullable=False),
        _instant("until", nullable=False),
        _instant("created_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_halt")),
        sa.CheckConstraint("id = 1", name=op.f("ck_mail_halt_one_row")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("mail_halt")
    op.drop_table("mail_suppression")
    op.drop_table("mail")
