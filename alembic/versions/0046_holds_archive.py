"""Holds that ended without a sale, long ago: kept beside those that orders refer to, by the month."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

TABLE = "reservation_archive"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    instant = sa.DateTime(timezone=True)
    op.create_table(
        TABLE,
        sa.Column("id", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("pool_id", "promo_id", "store_product_id", "user_id")
        ),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(10, 2), nullable=False),
        *(sa.Column(name, instant, nullable=False) for name in ("expires_at", "created_at")),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("finished_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("id", "finished_at", name=op.f(f"pk_{TABLE}")),
        sa.CheckConstraint("status IN ('cancelled', 'expired')", name=op.f(f"ck_{TABLE}_status")),
        postgresql_partition_by="RANGE (finished_at)",
    )
    op.create_index(f"ix_{TABLE}_token", TABLE, ["token"])
    op.create_index(f"ix_{TABLE}_promo_id", TABLE, ["promo_id", "id"])
    op.execute(f"CREATE TABLE {TABLE}_default PARTITION OF {TABLE} DEFAULT")
    for month in ("now()", "now() + interval '1 month'"):
        op.execute(f"SELECT partition_make('{TABLE}', (({month}) AT TIME ZONE 'UTC')::date)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    columns = (
        "id, pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, expires_at, created_at,"
        " status, finished_at"
    )
    op.execute(f"INSERT INTO reservation_finished ({columns}) SELECT {columns} FROM {TABLE}")
    op.drop_table(TABLE)
