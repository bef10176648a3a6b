"""Archived orders count as paid for in the statistics, unless they were archived as cancelled or abandoned."""

from pathlib import Path

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql"
BEFORE = """
    CREATE OR REPLACE FUNCTION order_is_paid(p_status text, p_archived_from text, p_temporary boolean)
    RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT NOT p_temporary AND (CASE WHEN p_status = 'archived' THEN COALESCE(p_archived_from, 'paid') ELSE p_status \
END)
           IN ('paid', 'shipped')
$$
"""
# Nothing of an order changes meanwhile: whatever is noted of it is noted by one of the two functions.
STILL = "LOCK TABLE payment, orders IN SHARE ROW EXCLUSIVE MODE"
REBUILT = (
    "DELETE FROM sales_delta",
    "DELETE FROM sales_quarter",
    """
    INSERT INTO sales_quarter (quarter, sales, paid, net)
    SELECT sales_quarter(created_at), count(*), count(*) FILTER (WHERE paid),
           COALESCE(sum(total - COALESCE(given.back, 0)) FILTER (WHERE paid), 0)
      FROM orders
     CROSS JOIN order_is_paid(status, archived_from, is_temporary) paid
      LEFT JOIN (SELECT order_id, order_refunded(order_id) AS back FROM payment WHERE refunded_amount > 0) given
             ON given.order_id = orders.id
     WHERE order_is_sale(status, archived_from, is_temporary)
     GROUP BY 1
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(STILL)
    sql = (FUNCTIONS / "analytics_3.sql").read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))
    for statement in REBUILT:
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(STILL)
    op.execute(BEFORE)
    for statement in REBUILT:
        op.execute(statement)
