"""Dead rows of the queue are swept by their number, not by their share of a table that keeps finished jobs."""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

# Each run of a job leaves some, and finished jobs are kept for a while: of a hundred thousand PostgreSQL's own share (a
# fifth) lets twenty thousand dead rows stand where each look for a job passes by.
DEAD_ROWS = 2000


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(f"""
        ALTER TABLE procrastinate_jobs SET (
            autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = {DEAD_ROWS},
            autovacuum_vacuum_cost_delay = 0
        )
    """)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("""
        ALTER TABLE procrastinate_jobs RESET (
            autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, autovacuum_vacuum_cost_delay
        )
    """)
