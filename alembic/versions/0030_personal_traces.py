"""Who began a run of the sheet and who sent a keyed request; the log forgets what reviews said."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

MASKED = """
    UPDATE activity_log
       SET changes = changes - 'username' || CASE WHEN changes ? 'comment' THEN
               '{"comment": ["***", "***"]}'::jsonb ELSE '{}'::jsonb END
     WHERE content_type = 'review' AND changes ?| array['comment', 'username']
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("sheet_run", sa.Column("user_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key("fk_sheet_run_user_id", "sheet_run", "users", ["user_id"], ["id"], ondelete="SET NULL")
    op.add_column("idempotency_key", sa.Column("user_id", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_idempotency_key_user_id",
        "idempotency_key",
        ["user_id"],
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    op.execute(MASKED)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("idempotency_key", "user_id")
    op.drop_column("sheet_run", "user_id")
