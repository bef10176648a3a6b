"""Webhooks: subscriptions, their messages and every try."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

KINDS = (
    *("verification", "password_reset", "email_change", "password_change"),
    *("order_created", "payment_received", "order_shipped", "cart_reminder"),
)

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def key(table: str) -> list:
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def instant(name: str, *, default: str | None = None, nullable: bool = True) -> sa.Column:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=nullable,
        server_default=None if default is None else sa.text(default),
    )


def words(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "webhook",
        *key("webhook"),
        sa.Column("url", sa.String(2000), nullable=False),
        words("description", 200),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("previous_secret", sa.LargeBinary(), nullable=True),
        instant("previous_secret_until"),
        instant("failing_since"),
        instant("paused_until"),
        instant("disabled_at"),
        words("disabled_reason", 10),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        instant("created_at", default="now()", nullable=False),
        instant("updated_at", default="now()", nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_webhook_created_by_id"), ondelete="SET NULL"
        ),
        sa.CheckConstraint("url <> ''", name=op.f("ck_webhook_url_given")),
        sa.CheckConstraint("disabled_reason IN ('', 'gone', 'failing')", name=op.f("ck_webhook_disabled_reason")),
        sa.CheckConstraint("disabled_reason = '' OR NOT is_active", name=op.f("ck_webhook_disabled_is_not_active")),
        sa.CheckConstraint(
            "(previous_secret IS NULL) = (previous_secret_until IS NULL)",
            name=op.f("ck_webhook_previous_secret_has_an_end"),
        ),
    )
    create_deliveries()
    allow_mails((*KINDS, "webhook_disabled"))


def allow_mails(kinds: tuple) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    op.drop_constraint(op.f("ck_mail_kind"), "mail")
    op.create_check_constraint(op.f("ck_mail_kind"), "mail", f"kind IN ({listed})")


def create_deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        *key("webhook_delivery"),
        sa.Column("webhook_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("event_number", sa.BigInteger(), nullable=True),
        sa.Column("event_type", sa.String(50), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False, server_default="pending"),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        instant("next_at", default="clock_timestamp()"),
        sa.Column("last_status", sa.SmallInteger(), nullable=True),
        words("last_error", 200),
        instant("created_at", default="now()", nullable=False),
        instant("finished_at"),
        sa.UniqueConstraint("webhook_id", "message_id", name=op.f("uq_webhook_delivery_webhook_id_message_id")),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name=op.f("fk_webhook_delivery_webhook_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed', 'cancelled')", name=op.f("ck_webhook_delivery_state")
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (next_at IS NOT NULL)", name=op.f("ck_webhook_delivery_pending_has_a_time")
        ),
        sa.CheckConstraint(
            "(state = 'pending') = (finished_at IS NULL)", name=op.f("ck_webhook_delivery_finished_has_a_time")
        ),
    )
    pending = sa.text("state = 'pending'")
    op.create_index(
        "ix_webhook_delivery_due", "webhook_delivery", ["webhook_id", "next_at", "id"], postgresql_where=pending
    )
    op.create_index("ix_webhook_delivery_newest", "webhook_delivery", ["webhook_id", sa.text("id DESC")])
    op.create_index(
        "ix_webhook_delivery_finished_at",
        "webhook_delivery",
        ["finished_at"],
        postgresql_where=sa.text("state <> 'pending'"),
    )
    op.create_table(
        "webhook_attempt",
        *key("webhook_attempt"),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        instant("at", default="now()", nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        words("error", 200),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["webhook_delivery.id"], name=op.f("fk_webhook_attempt_delivery_id"), ondelete="CASCADE"
        ),
    )
    op.create_index("ix_webhook_attempt_delivery_id", "webhook_attempt", ["delivery_id", "id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("webhook_attempt", "webhook_delivery", "webhook"):
        op.drop_table(table)
    op.execute("DELETE FROM mail WHERE kind = 'webhook_disabled'")
    allow_mails(KINDS)
