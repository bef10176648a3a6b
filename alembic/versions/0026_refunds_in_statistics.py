"""Statistics know what was given back of an order."""

from pathlib import Path

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "analytics_2.sql"
FORGOTTEN = """
    INSERT INTO sales_delta (quarter, sales, paid, net)
    SELECT sales_quarter(o.created_at), 0, 0, order_refunded(o.id)
      FROM payment p JOIN orders o ON o.id = p.order_id
     WHERE p.refunded_amount > 0 AND order_is_paid(o.status, o.archived_from, o.is_temporary)
"""
NOTHING = """
    CREATE OR REPLACE FUNCTION order_refunded(p_order bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT 0.00::numeric
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER note_refund ON payment")
    op.execute("DROP FUNCTION note_refund()")
    op.execute(FORGOTTEN)
    op.execute(NOTHING)
