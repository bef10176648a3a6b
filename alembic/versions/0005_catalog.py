"""Categories, products, the options of their variants."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def identity() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def flag(name: str, default: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text(default))


def line(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")


def create_categories() -> None:
    op.create_table(
        "category",
        identity(),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("slug", sa.String(120), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
        sa.UniqueConstraint("name", name=op.f("uq_category_name")),
        sa.UniqueConstraint("slug", name=op.f("uq_category_slug")),
        sa.ForeignKeyConstraint(["parent_id"], ["category.id"], name=op.f("fk_category_parent_id"), ondelete="CASCADE"),
        sa.CheckConstraint("name <> ''", name=op.f("ck_category_name_given")),
        sa.CheckConstraint("slug <> ''", name=op.f("ck_category_slug_given")),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_category_not_its_own_parent")),
    )
    op.create_index("ix_category_parent_id", "category", ["parent_id"])


def create_products() -> None:
    op.create_table(
        "product",
        identity(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("sku", sa.String(40), nullable=False),
        line("brand", 100),
        sa.Column("description", sa.Text(), nullable=False, server_default=""),
        sa.Column("category_id", sa.BigInteger(), nullable=True),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False, server_default="ARS"),
        sa.Column("discount", sa.Numeric(5, 2), nullable=False, server_default=sa.text("0")),
        sa.Column("pool_id", sa.BigInteger(), nullable=False),
        flag("has_variants", "false"),
        flag("has_special_promotion", "false"),
        line("special_promotion_name", 200),
        line("volume", 50),
        line("dimensions", 100),
        sa.Column("image", sa.String(500), nullable=True),
        sa.Column("image_2", sa.String(500), nullable=True),
        flag("is_available", "true"),
        instant("created_at", nullable=False, now=True),
        instant("updated_at", nullable=False, now=True),
        instant("sheets_last_sync"),
        sa.Column("sheets_row_number", sa.Integer(), nullable=True),
        instant("deleted_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
        sa.UniqueConstraint("sku", name=op.f("uq_product_sku")),
        sa.UniqueConstraint("pool_id", name=op.f("uq_product_pool_id")),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_product_category_id")),
        sa.ForeignKeyConstraint(["pool_id"], ["stock_pool.id"], name=op.f("fk_product_pool_id")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_product_name_given")),
        sa.CheckConstraint("price >= 0 AND price <> 'NaN'", name=op.f("ck_product_price_not_negative")),
        sa.CheckConstraint("discount >= 0 AND discount <= 100", name=op.f("ck_product_discount_percent")),
        sa.CheckConstraint("currency IN ('ARS', 'USD')", name=op.f("ck_product_currency")),
        sa.CheckConstraint("category_id IS NOT NULL OR deleted_at IS NOT NULL", name=op.f("ck_product_category_given")),
    )
    op.create_index("ix_product_category_id", "product", ["category_id"])
    op.create_index(
        "ix_product_newest",
        "product",
        [sa.text("created_at DESC"), sa.text("id DESC")],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def create_options() -> None:
    op.create_table(
        "product_option",
        identity(),
        sa.Column("product_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_position", sa.SmallInteger(), nullable=False),
        sa.Column("variant_name", sa.String(100), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("price_adjustment", sa.Numeric(10, 2), nullable=False, server_default=sa.text("0")),
        sa.Column("pool_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_option")),
        sa.UniqueConstraint("pool_id", name=op.f("uq_product_option_pool_id")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_product_option_product_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["pool_id"], ["stock_pool.id"], name=op.f("fk_product_option_pool_id")),
        sa.CheckConstraint("variant_name <> '' AND name <> ''", name=op.f("ck_product_option_names_given")),
        sa.CheckConstraint("price_adjustment <> 'NaN'", name=op.f("ck_product_option_price_adjustment_a_number")),
    )
    op.create_index("uq_product_option_choice", "product_option", ["product_id", "variant_name", "name"], unique=True)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_categories()
    create_products()
    create_options()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("product_option", "product", "category"):
        op.drop_table(table)
