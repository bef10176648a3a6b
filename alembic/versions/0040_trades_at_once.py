"""A trade that only takes is done for all pools at once."""

import re
from pathlib import Path

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

FOLDER = Path(__file__).resolve().parents[1] / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run((FOLDER / "inventory_3.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    before = (FOLDER / "inventory_2.sql").read_text(encoding="utf-8")
    found = re.search(r"^CREATE (FUNCTION stock_trade\(.*?^END \$\$;)", before, re.MULTILINE | re.DOTALL)
    _run(f"CREATE OR REPLACE {found.group(1)}")
    op.execute("DROP FUNCTION stock_trade_out(bigint[], bigint[])")


def _run(sql: str) -> None:
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))
