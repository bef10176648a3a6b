"""Events: noted with the change, numbered after its commit."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "events_1.sql"
TRIGGERS = {
    "order_event": ("events_of_moves",),
    "orders": ("events_of_changes", "events_of_gone"),
    "product": ("events_of_new", "events_of_changes"),
    "flash_promo": ("events_of_new", "events_of_changes"),
    "payment": ("events_of_changes",),
    "cart": ("events_of_changes",),
}
MADE = (
    *("event_number(integer)", "event_promo_clock(integer)", "events_of_carts()", "events_of_payments()"),
    *("events_of_promos()", "event_promo(flash_promo)", "events_of_products()", "event_product(product)"),
    *("events_of_orders()", "events_of_moves()", "event_order(orders)", "event_note(text, bigint, jsonb)"),
    *("event_quiet()", "event_instant(timestamptz)"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "event_outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "xact", sa.BigInteger(), nullable=False, server_default=sa.text("(pg_current_xact_id()::text)::bigint")
        ),
        sa.Column("uid", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        *_said(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_outbox")),
        sa.UniqueConstraint("xact", "type", "object_id", name=op.f("uq_event_outbox_xact_type_object_id")),
        postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
    )
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *_said(),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_events")),
        sa.UniqueConstraint("id", name=op.f("uq_events_id")),
    )
    op.create_index("ix_events_happened_at", "events", ["happened_at"])
    op.create_index("ix_events_type", "events", ["type", "number"])
    for name in ("start_told", "end_told"):
        op.add_column("flash_promo", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false")))
    # What is over was never told, and is no news any more.
    op.execute("UPDATE flash_promo SET start_told = starts_at <= now(), end_told = ends_at < now()")
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.create_index("ix_flash_promo_start_told", "flash_promo", ["starts_at"], postgresql_where="NOT start_told")
    op.create_index("ix_flash_promo_end_told", "flash_promo", ["ends_at"], postgresql_where="NOT end_told")
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def _said() -> list[sa.Column]:
    return [
        sa.Column("type", sa.String(50), nullable=False),
        sa.Column("object_id", sa.BigInteger(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column(
            "happened_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
    ]


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, names in TRIGGERS.items():
        for name in names:
            op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in MADE:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_index("ix_flash_promo_end_told", "flash_promo")
    op.drop_index("ix_flash_promo_start_told", "flash_promo")
    op.drop_column("flash_promo", "end_told")
    op.drop_column("flash_promo", "start_told")
    op.drop_table("events")
    op.drop_table("event_outbox")
