"""Coupons, offers, bulk promotions, scheduled discounts."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).resolve().parents[1] / "sql" / "marketing_1.sql"
NAMES = (
    "coupon_give_back(bigint[])",
    "coupon_take(uuid, bigint, bigint, numeric, numeric, boolean)",
    "prices_hold_until(timestamptz, text)",
    "discounted_categories(timestamptz, text)",
    "discount_is_on(scheduled_discount, timestamptz, text)",
)
LINKS = (
    ("coupon", "category"),
    ("offer", "product"),
    ("bulk_promotion", "product"),
    ("bulk_promotion", "category"),
)
LIVE = sa.text("given_back_at IS NULL")
NEWEST = (sa.text("created_at DESC"), sa.text("id DESC"))


def _key() -> sa.Column:
    return sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.func.gen_random_uuid())


def _instant(name: str, *, now: bool = False, nullable: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _integer(name: str, default: str | None = None, *, nullable: bool = False) -> sa.Column:
    value = None if default is None else sa.text(default)
    return sa.Column(name, sa.Integer(), nullable=nullable, server_default=value)


def _text(name: str, kind: sa.types.TypeEngine, default: str | None = None) -> sa.Column:
    return sa.Column(name, kind, nullable=False, server_default=default)


def _active() -> sa.Column:
    return sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("true"))


def _checks(table: str, checks: dict[str, str]) -> list[sa.CheckConstraint]:
    return [sa.CheckConstraint(check, name=op.f(f"ck_{table}_{name}")) for name, check in checks.items()]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_coupon()
    _create_coupon_use()
    _create_offer()
    _create_bulk_promotion()
    _create_scheduled_discount()
    for owner, owned in LINKS:
        _create_link(owner, owned)
    for table in ("coupon", "offer", "bulk_promotion", "scheduled_discount"):
        op.create_index(f"ix_{table}_newest", table, [*NEWEST])
    # A coupon of an older order is none that is known here.
    op.execute("UPDATE orders SET coupon_id = NULL WHERE coupon_id IS NOT NULL")
    op.create_foreign_key(op.f("fk_orders_coupon_id"), "orders", "coupon", ["coupon_id"], ["id"], ondelete="SET NULL")
    op.create_index("ix_orders_coupon_id", "orders", ["coupon_id"], postgresql_where=sa.text("coupon_id IS NOT NULL"))
    sql = FUNCTIONS.read_text(encoding="utf-8")
    op.get_bind().connection.dbapi_connection.run_async(lambda raw: raw.execute(sql))


def _create_coupon() -> None:
    checks = {
        "code_upper_case": "code <> '' AND code = upper(code)",
        "type": "type IN ('percentage', 'fixed')",
        "value": "value > 0 AND value <> 'NaN' AND (type = 'fixed' OR value <= 100)",
        "max_amount_positive": "max_amount > 0 AND max_amount <> 'NaN'",
        "min_purchase_not_negative": "min_purchase >= 0 AND min_purchase <> 'NaN'",
        "used_within_max_uses": "used >= 0 AND (max_uses IS NULL OR used <= max_uses)",
        "max_uses_per_user_positive": "max_uses_per_user > 0",
    }
    op.create_table(
        "coupon",
        _key(),
        _text("code", sa.String(50)),
        _text("type", sa.String(10)),
        sa.Column("value", sa.Numeric(10, 2), nullable=False),
        sa.Column("max_amount", sa.Numeric(10, 2), nullable=True),
        sa.Column("min_purchase", sa.Numeric(10, 2), nullable=False, server_default=sa.text("0")),
        _integer("max_uses", nullable=True),
        _integer("max_uses_per_user", nullable=True),
        _integer("used", "0"),
        _instant("expires_at", nullable=True),
        _active(),
        sa.Column("for_categories", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        _instant("created_at", now=True),
        _instant("updated_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon")),
        sa.UniqueConstraint("code", name=op.f("uq_coupon_code")),
        *_checks("coupon", checks),
    )


def _create_coupon_use() -> None:
    def owner(column: str, table: str, **options: object) -> sa.ForeignKeyConstraint:
        name = op.f(f"fk_coupon_use_{column}")
        return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, **options)

    op.create_table(
        "coupon_use",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("coupon_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.BigInteger(), nullable=True),
        sa.Column("purchase_amount", sa.Numeric(22, 2), nullable=False),
        sa.Column("discount_amount", sa.Numeric(22, 2), nullable=False),
        _instant("used_at", now=True),
        _instant("given_back_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_use")),
        owner("coupon_id", "coupon", ondelete="CASCADE"),
        owner("user_id", "users", ondelete="SET NULL"),
        owner("order_id", "orders", ondelete="SET NULL", deferrable=True, initially="DEFERRED"),
        *_checks("coupon_use", {"amounts_not_negative": "purchase_amount >= 0 AND discount_amount >= 0"}),
    )
    op.create_index("uq_coupon_use_live", "coupon_use", ["order_id"], unique=True, postgresql_where=LIVE)
    op.create_index("ix_coupon_use_coupon_id", "coupon_use", ["coupon_id", "id"], postgresql_where=LIVE)
    op.create_index("ix_coupon_use_coupon_id_user_id", "coupon_use", ["coupon_id", "user_id"])
    op.create_index("ix_coupon_use_user_id", "coupon_use", ["user_id"])
    op.create_index("ix_coupon_use_order_id", "coupon_use", ["order_id"])


def _create_offer() -> None:
    checks = {
        "name_given": "name <> ''",
        "discount_percent": "discount >= 0 AND discount <= 100",
        "ends_after_start": "start_date < end_date",
    }
    op.create_table(
        "offer",
        _key(),
        _text("name", sa.String(200)),
        sa.Column("discount", sa.Numeric(5, 2), nullable=False),
        _instant("start_date"),
        _instant("end_date"),
        _instant("end_counted_at", nullable=True),
        _instant("created_at", now=True),
        _instant("updated_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offer")),
        *_checks("offer", checks),
    )
    op.create_index("ix_offer_end_date", "offer", ["end_date"])


def _create_bulk_promotion() -> None:
    checks = {
        "name_given": "name <> ''",
        "promotion_type": "promotion_type IN ('3x2', '2x1', '4x3', '5x4', 'custom')",
        "pays_less": "pay_quantity >= 1 AND pay_quantity < buy_quantity",
        "applies_at_least_once": "max_applications >= 1",
        "ends_after_start": "start_date < end_date",
    }
    op.create_table(
        "bulk_promotion",
        _key(),
        _text("name", sa.String(200)),
        _text("description", sa.Text(), ""),
        _text("promotion_type", sa.String(10)),
        _integer("buy_quantity"),
        _integer("pay_quantity"),
        _instant("start_date"),
        _instant("end_date"),
        _active(),
        _integer("priority", "0"),
        _integer("max_applications", "1"),
        _instant("created_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_promotion")),
        *_checks("bulk_promotion", checks),
    )
    op.create_index("ix_bulk_promotion_end_date", "bulk_promotion", ["end_date"])


def _create_scheduled_discount() -> None:
    checks = {
        "name_given": "name <> ''",
        "day_of_week": "day_of_week BETWEEN 0 AND 6",
        "discount_percent": "discount >= 0 AND discount <= 100",
        "lasts": "start_time <> end_time",
        "valid_until_after_from": "valid_from <= valid_until",
        "override": "override IN ('applied', 'removed')",
        "override_has_a_time": "(override IS NULL) = (override_since IS NULL)",
        "override_until_of_one": "override IS NOT NULL OR override_until IS NULL",
    }
    op.create_table(
        "scheduled_discount",
        _key(),
        _text("name", sa.String(200)),
        _text("description", sa.Text(), ""),
        sa.Column("category_id", sa.BigInteger(), nullable=False),
        sa.Column("day_of_week", sa.SmallInteger(), nullable=False),
        sa.Column("discount", sa.Numeric(5, 2), nullable=False),
        sa.Column("start_time", sa.Time(), nullable=False, server_default=sa.text("'00:00:00'")),
        sa.Column("end_time", sa.Time(), nullable=False, server_default=sa.text("'23:59:59'")),
        _active(),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("override", sa.String(10), nullable=True),
        *(
            _instant(name, nullable=True)
            for name in ("override_since", "override_until", "last_applied", "last_removed")
        ),
        _instant("created_at", now=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_discount")),
        sa.ForeignKeyConstraint(
            ["category_id"], ["category.id"], name=op.f("fk_scheduled_discount_category_id"), ondelete="CASCADE"
        ),
        sa.UniqueConstraint("category_id", "day_of_week", name=op.f("uq_scheduled_discount_category_id_day_of_week")),
        *_checks("scheduled_discount", checks),
    )


def _create_link(owner: str, owned: str) -> None:
    name, own, other = f"{owner}_{owned}", f"{owner}_id", f"{owned}_id"
    op.create_table(
        name,
        sa.Column(own, sa.Uuid(), nullable=False),
        sa.Column(other, sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(own, other, name=op.f(f"pk_{name}")),
        sa.ForeignKeyConstraint([own], [f"{owner}.id"], name=op.f(f"fk_{name}_{own}"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint([other], [f"{owned}.id"], name=op.f(f"fk_{name}_{other}"), ondelete="CASCADE"),
    )
    op.create_index(f"ix_{name}_{other}", name, [other])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name in NAMES:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_index("ix_orders_coupon_id", table_name="orders")
    op.drop_constraint("fk_orders_coupon_id", "orders", type_="foreignkey")
    for owner, owned in LINKS:
        op.drop_table(f"{owner}_{owned}")
    for table in ("scheduled_discount", "bulk_promotion", "offer", "coupon_use", "coupon"):
        op.drop_table(table)
