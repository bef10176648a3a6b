"""What the payment provider tells: kept and left to jobs, many at a time."""

from pathlib import Path

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parents[1] / "sql" / "payments_1.sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    sql = SQL.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION payment_told(text, text[], text[], text[], text[], text[])")
