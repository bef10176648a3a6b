"""What is told of orders is part of the statement that notes it, and new ones are added up before they are noted."""

import re
from pathlib import Path

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).resolve().parents[1] / "sql"
# Those that are replaced, the ones that others need first.
REPLACED = ("event_instant", "event_order", "events_of_moves")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in ("events_2.sql", "analytics_4.sql"):
        _run((FOLDER / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER note_sales_of_new ON orders")
    op.execute("DROP FUNCTION note_new_sales()")
    op.execute("CREATE TRIGGER note_sales_of_new AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note_sales()")
    before = (FOLDER / "events_1.sql").read_text(encoding="utf-8")
    for name in REPLACED:
        found = re.search(rf"^CREATE (FUNCTION {name}\(.*?^\$\$;)", before, re.MULTILINE | re.DOTALL)
        _run(f"CREATE OR REPLACE {found.group(1)}")
    op.execute("DROP FUNCTION event_orders(orders)")


def _run(sql: str) -> None:
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))
