"""Stock: pools, slots, reservations, the ledger, and the functions that move units."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "inventory_1.sql"
NAMES = (
    "stock_take(bigint, integer[], boolean)",
    "stock_spread(bigint, bigint)",
    "stock_gather(bigint[])",
    "stock_family(bigint[])",
    "stock_settle(bigint, bigint[])",
    "stock_lock(bigint[])",
    "stock_put(bigint, bigint)",
    "stock_sweep(integer)",
    "stock_lock_due(bigint[])",
    "stock_end(bigint[])",
    "stock_free(bigint)",
    "stock_units(bigint)",
    "stock_own(bigint)",
    "stock_due(bigint)",
)
NOW = sa.text("now()")


def _instant(name: str, *, nullable: bool = True, default: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=NOW if default else None)


def _reservation_columns() -> list[sa.Column]:
    return [
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("pool_id", "promo_id", "store_product_id", "user_id")
        ),
        sa.Column("token", postgresql.UUID(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(10, 2), nullable=False),
        _instant("expires_at", nullable=False),
        _instant("created_at", nullable=False, default=True),
    ]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "stock_pool",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("parent_id", sa.BigInteger(), sa.ForeignKey("stock_pool.id", name="fk_stock_pool_parent_id")),
        _instant("closes_at"),
        _instant("settled_at"),
        _instant("created_at", nullable=False, default=True),
        sa.CheckConstraint("(parent_id IS NULL) = (closes_at IS NULL)", name=op.f("ck_stock_pool_parent_closes")),
    )
    op.create_index(
        "ix_stock_pool_open_children", "stock_pool", ["parent_id"], postgresql_where=sa.text("settled_at IS NULL")
    )
    op.create_table(
        "stock_slot",
        sa.Column(
            "pool_id", sa.BigInteger(), sa.ForeignKey("stock_pool.id", name="fk_stock_slot_pool_id"), primary_key=True
        ),
        sa.Column("n", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("available >= 0", name=op.f("ck_stock_slot_available_not_negative")),
        postgresql_with={"fillfactor": 50},
    )
    _create_reservations()
    op.create_table(
        "stock_ledger",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column(
            "pool_id", sa.BigInteger(), sa.ForeignKey("stock_pool.id", name="fk_stock_ledger_pool_id"), nullable=False
        ),
        sa.Column("delta", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("cause", sa.String(200), nullable=False, server_default=""),
        _instant("created_at", nullable=False, default=True),
        sa.CheckConstraint("delta <> 0", name=op.f("ck_stock_ledger_delta_not_zero")),
        sa.CheckConstraint(
            "kind IN ('opening', 'adjustment', 'set_aside', 'sale', 'return')", name=op.f("ck_stock_ledger_kind")
        ),
    )
    op.create_index("ix_stock_ledger_pool_id", "stock_ledger", ["pool_id"])
    connection = op.get_bind()
    sql = FUNCTIONS.read_text(encoding="utf-8")
    connection.connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def _create_reservations() -> None:
    op.create_table(
        "reservation",
        *_reservation_columns(),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservation_quantity_positive")),
    )
    # Rows live a minute: vacuum early and often, by count and not by share.
    op.execute(
        "ALTER TABLE reservation SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, "
        "autovacuum_vacuum_cost_delay = 0)"
    )
    op.execute("ALTER TABLE stock_slot SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500)")
    op.create_index("uq_reservation_token", "reservation", ["token"], unique=True)
    op.create_index("uq_reservation_promo_id_user_id", "reservation", ["promo_id", "user_id"], unique=True)
    op.create_index("ix_reservation_pool_id_expires_at", "reservation", ["pool_id", "expires_at"])
    op.create_index("ix_reservation_expires_at", "reservation", ["expires_at"])
    op.create_table(
        "reservation_finished",
        *_reservation_columns(),
        sa.Column("status", sa.String(10), nullable=False),
        _instant("finished_at", nullable=False, default=True),
        sa.Column("order_id", sa.BigInteger()),
        _instant("returned_at"),
        sa.CheckConstraint(
            "status IN ('confirmed', 'cancelled', 'expired')", name=op.f("ck_reservation_finished_status")
        ),
        sa.CheckConstraint(
            "(status = 'confirmed') = (order_id IS NOT NULL)", name=op.f("ck_reservation_finished_confirmed_has_order")
        ),
    )
    op.create_index("uq_reservation_finished_token", "reservation_finished", ["token"], unique=True)
    op.create_index(
        "ix_reservation_finished_bought",
        "reservation_finished",
        ["promo_id", "user_id"],
        postgresql_where=sa.text("status = 'confirmed' AND returned_at IS NULL"),
    )
    op.create_index(
        "ix_reservation_finished_order_id",
        "reservation_finished",
        ["order_id"],
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_index("ix_reservation_finished_promo_id", "reservation_finished", ["promo_id", "id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    for table in ("stock_ledger", "reservation_finished", "reservation", "stock_slot", "stock_pool"):
        op.drop_table(table)
