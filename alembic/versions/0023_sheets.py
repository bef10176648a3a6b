"""Runs of the spreadsheet's synchronisation, and what each product's row said last."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

ACTIVE = "status IN ('pending', 'running')"
COUNTS = ("total", "done", "created", "updated", "skipped", "pushed", "failed")


def instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def create_runs() -> None:
    op.create_table(
        "sheet_run",
        sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("lane", sa.SmallInteger(), nullable=False, server_default=sa.text("1")),
        sa.Column("direction", sa.String(13), nullable=False),
        sa.Column("product_ids", postgresql.JSONB(), nullable=True),
        sa.Column("trigger", sa.String(10), nullable=False),
        sa.Column("status", sa.String(10), nullable=False, server_default="pending"),
        sa.Column("owner", sa.Uuid(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0")) for name in COUNTS),
        sa.Column("errors", postgresql.JSONB(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
        instant("started_at", nullable=False, now=True),
        instant("heartbeat_at", nullable=False, now=True),
        instant("finished_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheet_run")),
        sa.CheckConstraint(
            "direction IN ('bidirectional', 'to-sheets', 'from-sheets')", name=op.f("ck_sheet_run_direction")
        ),
        sa.CheckConstraint("trigger IN ('api', 'cron', 'job', 'command')", name=op.f("ck_sheet_run_trigger")),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')", name=op.f("ck_sheet_run_status")
        ),
        sa.CheckConstraint(f"(finished_at IS NULL) = ({ACTIVE})", name=op.f("ck_sheet_run_finished_has_a_time")),
    )
    op.create_index("uq_sheet_run_active", "sheet_run", ["lane"], unique=True, postgresql_where=sa.text(ACTIVE))
    op.create_index("ix_sheet_run_started_at", "sheet_run", [sa.text("started_at DESC")])


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_runs()
    op.create_table(
        "sheet_row",
        sa.Column("product_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("row_number", sa.Integer(), nullable=True),
        sa.Column("seen", postgresql.JSONB(), nullable=True),
        sa.Column("writing", postgresql.JSONB(), nullable=True),
        sa.Column("awaits_id", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("excluded", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        instant("synced_at"),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_sheet_row")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_sheet_row_product_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("row_number > 1", name=op.f("ck_sheet_row_below_the_header")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("sheet_row", "sheet_run"):
        op.drop_table(table)
