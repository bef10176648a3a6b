"""Procrastinate's schema, as the package ships it."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = Path(__file__).resolve().parents[1] / "sql" / "procrastinate_3.10.0.sql"
DROP = """
DO $$
DECLARE item record;
BEGIN
    DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers CASCADE;
    FOR item IN SELECT oid::regprocedure AS name FROM pg_proc WHERE proname LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', item.name);
    END LOOP;
    DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_event_type, procrastinate_job_status;
END $$
"""


def run_script(sql: str) -> None:
    """Many statements at once, in the migration's own transaction; a prepared statement would take one alone."""
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")  # the dialect opens the transaction at the first statement
    connection.connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run_script(SCHEMA.read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(DROP)
