"""Stores and store products."""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geography

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "store",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("geom", Geography("POINT", srid=4326, spatial_index=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        instant("created_at", nullable=False, now=True),
        instant("deleted_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_store_owner_id"), ondelete="SET NULL"),
        sa.CheckConstraint("name <> ''", name=op.f("ck_store_name_given")),
    )
    op.create_index("ix_store_owner_id", "store", ["owner_id"])
    op.create_index("ix_store_geom", "store", ["geom"], postgresql_using="gist")
    op.create_table(
        "store_product",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("store_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("pool_id", sa.BigInteger(), nullable=False),
        sa.Column("base_price", sa.Numeric(10, 2), nullable=False),
        instant("created_at", nullable=False, now=True),
        instant("deleted_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_store_product")),
        sa.UniqueConstraint("pool_id", name=op.f("uq_store_product_pool_id")),
        sa.ForeignKeyConstraint(["store_id"], ["store.id"], name=op.f("fk_store_product_store_id")),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_store_product_product_id")),
        sa.ForeignKeyConstraint(["pool_id"], ["stock_pool.id"], name=op.f("fk_store_product_pool_id")),
        sa.CheckConstraint(
            "base_price >= 0 AND base_price <> 'NaN'", name=op.f("ck_store_product_base_price_not_negative")
        ),
    )
    op.create_index("ix_store_product_product_id", "store_product", ["product_id"])
    op.create_index(
        "uq_store_product_store_id_product_id",
        "store_product",
        ["store_id", "product_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("store_product", "store"):
        op.drop_table(table)
