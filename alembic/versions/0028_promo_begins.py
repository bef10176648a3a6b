"""A promotion that begins while it is changed keeps what it began with."""

from pathlib import Path

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "promos_2.sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER promo_unbegun ON flash_promo")
    op.execute("DROP FUNCTION promo_unbegun()")
