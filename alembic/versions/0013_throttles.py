"""How often clients called lately."""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parents[1] / "sql" / "throttles_1.sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    sql = SQL.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION throttle_give_back(text, timestamptz)")
    op.execute("DROP FUNCTION throttle_step(throttle, text, integer, integer, interval, interval)")
    op.execute("DROP TABLE throttle")
