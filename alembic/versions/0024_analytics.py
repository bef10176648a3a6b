"""What statistics at size need: sums of sales by the quarter of an hour, and the changes that are still to be added."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "analytics_1.sql"
NAMES = (
    "fold_sales(integer)",
    "note_sales()",
    "order_refunded(bigint)",
    "sales_quarter(timestamptz)",
    "order_is_paid(text, text, boolean)",
    "order_is_sale(text, text, boolean)",
)
IS_CUSTOMER = sa.text("NOT is_staff AND NOT is_superuser AND deleted_at IS NULL")
# The triggers are there by now and hold the orders still, so that no change is missed or counted twice.
FILL = """
    INSERT INTO sales_quarter (quarter, sales, paid, net)
    SELECT sales_quarter(created_at), count(*), count(*) FILTER (WHERE paid),
           COALESCE(sum(total) FILTER (WHERE paid), 0)
      FROM orders, order_is_paid(status, archived_from, is_temporary) paid
     WHERE order_is_sale(status, archived_from, is_temporary)
     GROUP BY 1
"""


def _sums(*key: sa.Column) -> list[sa.Column]:
    return [
        *key,
        sa.Column("sales", sa.BigInteger(), nullable=False),
        sa.Column("paid", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.Numeric(18, 2), nullable=False),
    ]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table("sales_quarter", *_sums(sa.Column("quarter", sa.DateTime(timezone=True), primary_key=True)))
    op.create_table(
        "sales_delta",
        *_sums(
            sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
            sa.Column("quarter", sa.DateTime(timezone=True), nullable=False),
        ),
    )
    op.create_index("ix_users_customers", "users", ["date_joined"], postgresql_where=IS_CUSTOMER)
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))
    op.execute(FILL)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for trigger in ("note_sales_of_new", "note_sales_of_gone", "note_sales_of_changed"):
        op.execute(f"DROP TRIGGER {trigger} ON orders")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_index("ix_users_customers", "users")
    op.drop_table("sales_delta")
    op.drop_table("sales_quarter")
