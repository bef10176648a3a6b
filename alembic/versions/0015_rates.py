"""Exchange rates, places where stock is, and distribution centres."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def identity() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def flag(name: str, default: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text(default))


def create_rates() -> None:
    op.create_table(
        "dollar_rate",
        identity(),
        sa.Column("value", sa.Numeric(10, 2), nullable=False),
        sa.Column("rate_type", sa.String(10), nullable=False, server_default="manual"),
        flag("auto_update", "false"),
        flag("is_active", "true"),
        instant("update_date", nullable=False, now=True),
        instant("stale_since"),
        sa.Column("updated_by_id", sa.BigInteger(), nullable=True),
        instant("created_at", nullable=False, now=True),
        instant("updated_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dollar_rate")),
        sa.ForeignKeyConstraint(
            ["updated_by_id"], ["users.id"], name=op.f("fk_dollar_rate_updated_by_id"), ondelete="SET NULL"
        ),
        sa.CheckConstraint("value > 0 AND value <> 'NaN'", name=op.f("ck_dollar_rate_value_positive")),
        sa.CheckConstraint("rate_type IN ('manual', 'blue', 'official')", name=op.f("ck_dollar_rate_rate_type")),
    )
    op.create_index("ix_dollar_rate_updated_by_id", "dollar_rate", ["updated_by_id"])
    op.create_index(
        "uq_dollar_rate_active", "dollar_rate", ["rate_type"], unique=True, postgresql_where=sa.text("is_active")
    )
    op.create_index("ix_dollar_rate_newest", "dollar_rate", [sa.text("update_date DESC"), sa.text("id DESC")])


def create_locations() -> None:
    op.create_table(
        "stock_location",
        identity(),
        sa.Column("name", sa.String(200), nullable=False),
        instant("created_at", nullable=False, now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_location")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_stock_location_name_given")),
    )
    op.add_column("stock_pool", sa.Column("location_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_stock_pool_location_id"), "stock_pool", "stock_location", ["location_id"], ["id"])
    op.create_index(
        "ix_stock_pool_location_id",
        "stock_pool",
        ["location_id"],
        postgresql_where=sa.text("location_id IS NOT NULL"),
    )


def create_centers() -> None:
    op.create_table(
        "distribution_center",
        identity(),
        sa.Column("location_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("phone", sa.String(50), nullable=False, server_default=""),
        flag("is_active", "true"),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        instant("created_at", nullable=False, now=True),
        instant("updated_at", nullable=False, now=True),
        instant("deleted_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_distribution_center")),
        sa.UniqueConstraint("location_id", name=op.f("uq_distribution_center_location_id")),
        sa.ForeignKeyConstraint(
            ["location_id"], ["stock_location.id"], name=op.f("fk_distribution_center_location_id")
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name=op.f("fk_distribution_center_created_by_id"), ondelete="SET NULL"
        ),
        sa.CheckConstraint("name <> ''", name=op.f("ck_distribution_center_name_given")),
        sa.CheckConstraint("address <> ''", name=op.f("ck_distribution_center_address_given")),
    )
    op.create_index("ix_distribution_center_created_by_id", "distribution_center", ["created_by_id"])


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_rates()
    create_locations()
    create_centers()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("distribution_center")
    op.drop_column("stock_pool", "location_id")
    op.drop_table("stock_location")
    op.drop_table("dollar_rate")
