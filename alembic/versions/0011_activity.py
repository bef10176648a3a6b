"""The audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NEWEST = (sa.text("timestamp DESC"), sa.text("id DESC"))


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "activity_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("content_type", sa.String(50), nullable=False),
        sa.Column("object_id", sa.String(100), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("ip_address", postgresql.INET(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_log")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_activity_log_user_id"), ondelete="SET NULL"),
        sa.CheckConstraint("action <> ''", name=op.f("ck_activity_log_action_given")),
        sa.CheckConstraint("content_type <> ''", name=op.f("ck_activity_log_content_type_given")),
        sa.CheckConstraint("jsonb_typeof(changes) = 'object'", name=op.f("ck_activity_log_changes_by_field")),
    )
    op.create_index("ix_activity_log_newest", "activity_log", [*NEWEST])
    op.create_index("ix_activity_log_user_id", "activity_log", ["user_id", *NEWEST])
    op.create_index("ix_activity_log_object", "activity_log", ["content_type", "object_id", *NEWEST])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("activity_log")
