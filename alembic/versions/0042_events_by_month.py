"""Events lie in a partition for each month; what partitions are made and detached with."""

import datetime as dt
from pathlib import Path

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

SQL = Path(__file__).resolve().parents[1] / "sql"
MADE = (
    "partition_analyze(text)",
    "partition_drop(text, text)",
    "partition_detached(text)",
    "partition_detach(text, date)",
    "partition_strays(text)",
    "partition_make(text, date)",
    "partition_key(text)",
    "partition_list(text)",
)
KEYS = {
    "growth_events_1": ("number, happened_at", "pk_events"),
    "growth_events_2": ("id, happened_at", "uq_events_id_happened_at"),
}
# Its rows are of the table's type, which is another one with each change here.
NUMBER = """
    CREATE FUNCTION event_number(p_limit integer) RETURNS SETOF events LANGUAGE sql AS $$
    WITH taken AS (
        DELETE FROM event_outbox WHERE id IN (SELECT id FROM event_outbox ORDER BY id LIMIT p_limit)
        RETURNING *
    )
    INSERT INTO events (id, type, object_id, data, happened_at)
    SELECT t.uid, t.type, t.object_id, t.data, t.happened_at FROM (SELECT * FROM taken ORDER BY id) t
    RETURNING *
$$
"""


def upgrade() -> None:
    # Each of these is a transaction of its own, lets others read and write meanwhile, and can be done again.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '15min'")
        for name, (columns, _) in KEYS.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON events ({columns})")
        op.execute("SET lock_timeout = '5s'")
        op.execute("ALTER TABLE events DROP CONSTRAINT IF EXISTS growth_until")
        op.execute(f"ALTER TABLE events ADD CONSTRAINT growth_until CHECK (happened_at < '{_until()}') NOT VALID")
        op.execute("ALTER TABLE events VALIDATE CONSTRAINT growth_until")
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run("partitions_1.sql")
    _run("growth_1.sql")
    op.execute("DROP FUNCTION event_number(integer)")
    pairs = ", ".join(f"['{name}', '{key}']" for name, (_, key) in KEYS.items())
    op.execute(f"SELECT growth_adopt('events', 'happened_at', '{{pk_events, uq_events_id}}', '{{}}', ARRAY[{pairs}])")
    op.execute(NUMBER)
    _forget()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _run("growth_1.sql")
    op.execute("DROP FUNCTION event_number(integer)")
    op.execute("""
        SELECT growth_release('events', ARRAY[
            'ALTER TABLE events ADD CONSTRAINT pk_events PRIMARY KEY (number)',
            'ALTER TABLE events ADD CONSTRAINT uq_events_id UNIQUE (id)',
            'CREATE INDEX ix_events_happened_at ON events (happened_at)',
            'CREATE INDEX ix_events_type ON events (type, number)'])
    """)
    op.execute(NUMBER)
    _forget()
    for name in MADE:
        op.execute(f"DROP FUNCTION {name}")


def _until() -> str:
    """The first day of the month after the next: the table as it is holds this month and the next one."""
    first = dt.datetime.now(dt.UTC).date().replace(day=1)
    for _ in range(2):
        first = (first + dt.timedelta(days=31)).replace(day=1)
    return f"{first} 00:00:00+00"


def _run(name: str) -> None:
    sql = (SQL / name).read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def _forget() -> None:
    op.execute("DROP FUNCTION growth_adopt(text, text, text[], text[], text[])")
    op.execute("DROP FUNCTION growth_release(text, text[])")
    op.execute("DROP FUNCTION growth_grants(text, text)")
