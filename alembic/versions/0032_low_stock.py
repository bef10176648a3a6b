"""Which pools were lowered and want a look, and of which fall of each pool staff have been told."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "stock_lowered",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), primary_key=True),
        sa.Column("pool_id", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "low_stock_notice",
        sa.Column("pool_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("look", sa.Uuid(), nullable=False),
    )
    op.create_index("ix_low_stock_notice_held", "low_stock_notice", ["pool_id"], postgresql_where=sa.text("held"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("low_stock_notice")
    op.drop_table("stock_lowered")
