"""The audit log lies in a partition for each month."""

import datetime as dt
from pathlib import Path

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "growth_1.sql"
KEY = "growth_activity_log_1"


def upgrade() -> None:
    # Each of these is a transaction of its own, lets others read and write meanwhile, and can be done again.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '15min'")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {KEY}")
        op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {KEY} ON activity_log (id, timestamp)")
        op.execute("SET lock_timeout = '5s'")
        op.execute("ALTER TABLE activity_log DROP CONSTRAINT IF EXISTS growth_until")
        op.execute(f"ALTER TABLE activity_log ADD CONSTRAINT growth_until CHECK (timestamp < '{_until()}') NOT VALID")
        op.execute("ALTER TABLE activity_log VALIDATE CONSTRAINT growth_until")
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run()
    op.execute(
        f"SELECT growth_adopt('activity_log', 'timestamp', '{{pk_activity_log}}', '{{}}',"
        f" ARRAY[['{KEY}', 'pk_activity_log']])"
    )
    _forget()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run()
    op.execute("""
        SELECT growth_release('activity_log', ARRAY[
            'ALTER TABLE activity_log ADD CONSTRAINT pk_activity_log PRIMARY KEY (id)',
            'ALTER TABLE activity_log ADD CONSTRAINT fk_activity_log_user_id
                FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL',
            'CREATE INDEX ix_activity_log_newest ON activity_log (timestamp DESC, id DESC)',
            'CREATE INDEX ix_activity_log_user_id ON activity_log (user_id, timestamp DESC, id DESC)',
            'CREATE INDEX ix_activity_log_object
                ON activity_log (content_type, object_id, timestamp DESC, id DESC)'])
    """)
    _forget()


def _until() -> str:
    """The first day of the month after the next: the table as it is holds this month and the next one."""
    first = dt.datetime.now(dt.UTC).date().replace(day=1)
    for _ in range(2):
        first = (first + dt.timedelta(days=31)).replace(day=1)
    return f"{first} 00:00:00+00"


def _run() -> None:
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def _forget() -> None:
    op.execute("DROP FUNCTION growth_adopt(text, text, text[], text[], text[])")
    op.execute("DROP FUNCTION growth_release(text, text[])")
    op.execute("DROP FUNCTION growth_grants(text, text)")
