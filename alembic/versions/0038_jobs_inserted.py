"""New jobs are noted and announced once a statement."""

from pathlib import Path

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "queue_1.sql"
# As the queue's own schema has them.
FORMER = {
    "procrastinate_jobs_notify_queue_job_inserted_v1": "procrastinate_notify_queue_job_inserted_v1",
    "procrastinate_trigger_status_events_insert_v1": "procrastinate_trigger_function_status_events_insert_v1",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TRIGGER jobs_inserted ON procrastinate_jobs")
    op.execute("DROP FUNCTION jobs_inserted()")
    for trigger, function in FORMER.items():
        op.execute(
            f"CREATE TRIGGER {trigger} AFTER INSERT ON procrastinate_jobs FOR EACH ROW"
            f" WHEN (new.status = 'todo'::procrastinate_job_status) EXECUTE PROCEDURE {function}()"
        )
