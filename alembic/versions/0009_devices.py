"""Device tokens, and notification preferences."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import SchemaItem

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

HOUR = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
SWITCHES = (
    "new_order_notifications",
    "order_status_notifications",
    "payment_notifications",
    "low_stock_notifications",
    "email_notifications",
    "notification_sound",
    "enabled",
)


def _instant(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _switch(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("true"))


def _line(name: str, length: int, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def _keys(table: str) -> tuple[SchemaItem, ...]:
    return (
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"),
    )


def _create_tokens() -> None:
    op.create_table(
        "device_token",
        *_keys("device_token"),
        _line("token", 512),
        _line("platform", 10),
        sa.Column("device_info", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        _switch("is_active"),
        _line("inactive_reason", 10, ""),
        sa.Column("registered_from", sa.String(50), nullable=True),
        _instant("created_at"),
        _instant("updated_at"),
        _instant("last_used"),
        sa.UniqueConstraint("token", name=op.f("uq_device_token_token")),
        sa.CheckConstraint("token <> ''", name=op.f("ck_device_token_token_given")),
        sa.CheckConstraint("platform IN ('android', 'ios', 'web')", name=op.f("ck_device_token_platform")),
        sa.CheckConstraint(
            "inactive_reason IN ('', 'removed', 'off', 'rejected', 'replaced')",
            name=op.f("ck_device_token_inactive_reason"),
        ),
        sa.CheckConstraint("is_active = (inactive_reason = '')", name=op.f("ck_device_token_inactive_for_a_reason")),
    )
    op.create_index("ix_device_token_user_id", "device_token", ["user_id"])
    op.create_index(
        "ix_device_token_registered_from",
        "device_token",
        ["registered_from"],
        postgresql_where=sa.text("user_id IS NULL"),
    )


def _create_preferences() -> None:
    op.create_table(
        "notification_preference",
        *_keys("notification_preference"),
        *(_switch(name) for name in SWITCHES),
        _line("notification_start_hour", 5, "08:00"),
        _line("notification_end_hour", 5, "22:00"),
        sa.UniqueConstraint(
            "user_id", name=op.f("uq_notification_preference_user_id"), postgresql_nulls_not_distinct=True
        ),
        *(
            sa.CheckConstraint(f"notification_{name} ~ '{HOUR}'", name=op.f(f"ck_notification_preference_{name}"))
            for name in ("start_hour", "end_hour")
        ),
    )
    op.create_index(
        "ix_notification_preference_off",
        "notification_preference",
        ["user_id"],
        postgresql_where=sa.text("NOT enabled"),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_tokens()
    _create_preferences()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("notification_preference")
    op.drop_table("device_token")
