"""Flash promotions and the functions that judge and hold."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "promos_1.sql"
NAMES = (
    "promo_claim(bigint[], bigint[], bigint[], integer[], integer, boolean)",
    "promo_offer(bigint)",
    "promo_bought(bigint, bigint)",
    "promo_hold(bigint, bigint)",
    "promo_near(geography, geography, integer)",
    "buyer_in_segments(text[], text[], timestamptz, timestamptz, timestamptz)",
    "promo_price(numeric, numeric, numeric)",
    "promo_status(timestamptz, timestamptz, timestamptz, timestamptz)",
)


def _instant(name: str, *, nullable: bool = False, now: bool = False) -> sa.Column:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "flash_promo",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        *(
            sa.Column(
                name,
                sa.BigInteger(),
                sa.ForeignKey(f"{target}.id", name=f"fk_flash_promo_{name}"),
                nullable=False,
            )
            for name, target in (("store_product_id", "store_product"), ("pool_id", "stock_pool"))
        ),
        _instant("starts_at"),
        _instant("ends_at"),
        _instant("cancelled_at", nullable=True),
        sa.Column("promo_price", sa.Numeric(10, 2)),
        sa.Column("discount_percent", sa.Numeric(5, 2)),
        sa.Column("max_units", sa.Integer()),
        sa.Column("per_user_limit", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("segments", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text("'{new,frequent}'")),
        sa.Column("radius_m", sa.Integer(), nullable=False, server_default="2000"),
        _instant("created_at", now=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_flash_promo_ends_after_start")),
        sa.CheckConstraint("promo_price IS NULL OR discount_percent IS NULL", name=op.f("ck_flash_promo_one_price")),
        sa.CheckConstraint("promo_price >= 0 AND promo_price <> 'NaN'", name=op.f("ck_flash_promo_promo_price")),
        sa.CheckConstraint("discount_percent BETWEEN 0 AND 100", name=op.f("ck_flash_promo_discount_percent")),
        sa.CheckConstraint(
            "max_units > 0 AND per_user_limit > 0 AND radius_m > 0", name=op.f("ck_flash_promo_counts_positive")
        ),
        sa.CheckConstraint(
            "segments <@ ARRAY['new', 'frequent']::text[] AND cardinality(segments) BETWEEN 1 AND 2",
            name=op.f("ck_flash_promo_segments"),
        ),
    )
    op.create_index("ix_flash_promo_store_product_id", "flash_promo", ["store_product_id"])
    op.create_index(
        "ix_flash_promo_window",
        "flash_promo",
        ["starts_at", "ends_at"],
        postgresql_where=sa.text("cancelled_at IS NULL"),
    )
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table("flash_promo")
