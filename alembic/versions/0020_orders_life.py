"""What the life of an order needs: what it took and since when it is unpaid, trades of stock, idempotency keys."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "inventory_2.sql"
NAMES = (
    "stock_trade(bigint[], bigint[], text[])",
    "stock_trade_slots(bigint[], bigint[])",
    "stock_home(bigint)",
)
UNPAID = sa.text("status IN ('pending', 'payment_pending') AND NOT is_temporary")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("orders", sa.Column("holds_stock", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column(
        "orders",
        sa.Column("unpaid_since", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )
    op.execute("""
        UPDATE orders SET unpaid_since = created_at,
               holds_stock = NOT is_temporary AND status NOT IN ('cancelled', 'abandoned')
                             AND COALESCE(archived_from, '') NOT IN ('cancelled', 'abandoned')
    """)
    _walk(postgresql_include=["is_temporary"])
    op.create_index("ix_orders_unpaid", "orders", ["payment_method", "unpaid_since"], postgresql_where=UNPAID)
    op.add_column(
        "order_item",
        sa.Column("pool_ids", postgresql.ARRAY(sa.BigInteger()), nullable=False, server_default=sa.text("'{}'")),
    )
    op.execute("UPDATE order_item SET pool_ids = ARRAY[pool_id] WHERE pool_id IS NOT NULL")
    op.drop_column("order_item", "pool_id")
    op.create_table(
        "idempotency_key",
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )
    op.create_index("ix_idempotency_key_created_at", "idempotency_key", ["created_at"])
    # Numbers of shipping notices that staff ask for.
    op.execute("CREATE SEQUENCE order_notice")
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP SEQUENCE order_notice")
    op.drop_table("idempotency_key")
    pool = sa.ForeignKey("stock_pool.id", name="fk_order_item_pool_id")
    op.add_column("order_item", sa.Column("pool_id", sa.BigInteger(), pool, nullable=True))
    op.execute("UPDATE order_item SET pool_id = pool_ids[1]")
    op.drop_column("order_item", "pool_ids")
    op.drop_index("ix_orders_unpaid", "orders")
    _walk()
    op.drop_column("orders", "unpaid_since")
    op.drop_column("orders", "holds_stock")


def _walk(**options: object) -> None:
    """The index in which somebody's orders are counted and walked, made anew."""
    name = "ix_orders_user_id_created_at"
    op.drop_index(name, "orders")
    op.create_index(name, "orders", ["user_id", sa.text("created_at DESC"), sa.text("id DESC")], **options)
