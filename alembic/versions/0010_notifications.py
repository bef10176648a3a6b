"""Who was told of which promotion on which day, and every push to every device."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KINDS = "'new_order', 'order_update', 'order', 'payment_received', 'order_shipped', 'general'"
STATES = "'waiting', 'sending', 'sent', 'delivered', 'failed', 'unknown'"


def _id(table: str) -> tuple[SchemaItem, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def _reference(name: str, *, nullable: bool = False) -> sa.Column:
    """The id of another row; the models say why it has no foreign key."""
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _instant(name: str, *, nullable: bool = False, now: bool = True) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _line(name: str, length: int, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def _create_promo_notification() -> None:
    table = "promo_notification"
    op.create_table(
        table,
        *_id(table),
        _reference("promo_id"),
        _reference("user_id"),
        sa.Column("sent_date", sa.Date(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("devices", sa.SmallInteger(), nullable=True),
        _instant("created_at"),
        sa.UniqueConstraint("promo_id", "sent_date", "user_id", name=op.f(f"uq_{table}_promo_id_sent_date_user_id")),
        sa.UniqueConstraint("user_id", "sent_date", "place", name=op.f(f"uq_{table}_user_id_sent_date_place")),
        sa.CheckConstraint("place > 0", name=op.f(f"ck_{table}_place_positive")),
        sa.CheckConstraint("devices >= 0", name=op.f(f"ck_{table}_devices_not_negative")),
    )
    op.create_index(f"ix_{table}_open", table, ["promo_id", "id"], postgresql_where=sa.text("devices IS NULL"))


def _log_columns() -> tuple[SchemaItem, ...]:
    return (
        _reference("device_token_id"),
        _reference("user_id"),
        _reference("promo_notification_id", nullable=True),
        sa.Column("promo_id", sa.BigInteger(), nullable=True),
        sa.Column("sent_date", sa.Date(), nullable=True),
        _reference("order_event_id", nullable=True),
        _line("notification_type", 20),
        _line("title", 200),
        _line("body", 500),
        sa.Column("data", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        _line("collapse_id", 64),
        _line("state", 10, "waiting"),
        sa.Column("attempts", sa.SmallInteger(), nullable=False, server_default="0"),
        _line("fcm_message_id", 200, ""),
        sa.Column("error_message", sa.Text(), nullable=False, server_default=""),
        _instant("due_at"),
        _instant("expires_at", now=False),
        _instant("created_at"),
        _instant("sent_at", nullable=True, now=False),
    )


def _create_push_log() -> None:
    op.create_table(
        "push_log",
        *_id("push_log"),
        *_log_columns(),
        sa.UniqueConstraint(
            "device_token_id", "promo_id", "sent_date", name=op.f("uq_push_log_device_token_id_promo_id_sent_date")
        ),
        sa.CheckConstraint(f"notification_type IN ({KINDS})", name=op.f("ck_push_log_notification_type")),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_push_log_state")),
        sa.CheckConstraint(
            "(promo_id IS NULL) = (sent_date IS NULL) AND (promo_id IS NULL) = (promo_notification_id IS NULL)",
            name=op.f("ck_push_log_promo_has_a_day"),
        ),
    )
    op.create_index("ix_push_log_user_id", "push_log", ["user_id", sa.text("id DESC")])
    for name, column, condition in (
        ("open", "due_at", "state IN ('waiting', 'sending')"),
        ("promo_notification_id", "promo_notification_id", "promo_notification_id IS NOT NULL"),
        ("fcm_message_id", "fcm_message_id", "fcm_message_id <> ''"),
    ):
        op.create_index(f"ix_push_log_{name}", "push_log", [column], postgresql_where=sa.text(condition))
    op.create_index(
        "uq_push_log_order_event_id",
        "push_log",
        ["order_event_id", "device_token_id", "notification_type"],
        unique=True,
        postgresql_where=sa.text("order_event_id IS NOT NULL"),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_promo_notification()
    _create_push_log()
    # Few accounts are inactive: the audience is taken without them by a look at this index.
    op.create_index("ix_users_inactive", "users", ["id"], postgresql_where=sa.text("NOT is_active"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_users_inactive", "users")
    op.drop_table("push_log")
    op.drop_table("promo_notification")
