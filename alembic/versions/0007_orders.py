"""Orders, their lines and their moves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATUSES = ("pending", "payment_pending", "paid", "shipped", "cancelled", "archived", "abandoned")
TEXTS = {
    "customer_dni_cuit": 20,
    "shipping_address": 200,
    "shipping_street": 200,
    "shipping_number": 20,
    "shipping_neighborhood": 100,
    "shipping_city": 100,
    "shipping_postal_code": 10,
}
NEWEST = [sa.text("created_at DESC"), sa.text("id DESC")]


def _key() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True)


def _reference(table: str, name: str, target: str, **options: object) -> sa.Column:
    nullable = bool(options.pop("nullable", True))
    key = sa.ForeignKey(f"{target}.id", name=f"fk_{table}_{name}", **options)
    return sa.Column(name, sa.BigInteger(), key, nullable=nullable)


def _instant(name: str, *, now: bool = False) -> sa.Column:
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=not now, server_default=sa.text("now()") if now else None
    )


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false"))


def _blank(name: str, length: int, default: str = "") -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def _money(name: str) -> sa.Column:
    return sa.Column(name, sa.Numeric(10, 2), nullable=False, server_default="0")


def _order_columns() -> list[sa.Column]:
    return [
        _key(),
        _reference("orders", "user_id", "users", ondelete="SET NULL"),
        _reference("orders", "store_id", "store"),
        sa.Column("recipient_name", sa.String(100), nullable=False),
        *(_blank(name, length) for name, length in TEXTS.items()),
        sa.Column("customer_email", sa.String(254), nullable=False),
        _blank("customer_phone", 20),
        _blank("delivery_type", 10, "delivery"),
        _blank("payment_method", 10, "cash"),
        _blank("status", 20, "pending"),
        sa.Column("archived_from", sa.String(20)),
        *(_money(name) for name in ("total", "subtotal", "discount", "bulk_promotion_discount")),
        sa.Column("coupon_id", postgresql.UUID()),
        sa.Column("dollar_rate", sa.Numeric(10, 2)),
        _flag("shipping_notification_sent"),
        _instant("abandoned_at"),
        _flag("abandoned_cart_recovered"),
        _flag("is_temporary"),
        sa.Column("anonymous_id", sa.String(36)),
        _instant("last_activity"),
        _instant("paid_at"),
        _instant("created_at", now=True),
        _instant("updated_at", now=True),
    ]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    listed = ", ".join(f"'{status}'" for status in STATUSES)
    op.create_table(
        "orders",
        *_order_columns(),
        sa.CheckConstraint(f"status IN ({listed})", name=op.f("ck_orders_status")),
        sa.CheckConstraint("delivery_type IN ('delivery', 'pickup')", name=op.f("ck_orders_delivery_type")),
        sa.CheckConstraint("payment_method IN ('cash', 'online')", name=op.f("ck_orders_payment_method")),
        sa.CheckConstraint(
            "total = subtotal - bulk_promotion_discount - discount AND total >= 0", name=op.f("ck_orders_total_adds_up")
        ),
        sa.CheckConstraint(
            "discount >= 0 AND bulk_promotion_discount >= 0", name=op.f("ck_orders_discounts_not_negative")
        ),
    )
    op.create_index("ix_orders_created_at", "orders", NEWEST)
    op.create_index("ix_orders_user_id_created_at", "orders", ["user_id", *NEWEST])
    op.create_index(
        "ix_orders_store_id", "orders", ["store_id", NEWEST[0]], postgresql_where=sa.text("store_id IS NOT NULL")
    )
    op.create_index("ix_orders_status_created_at", "orders", ["status", NEWEST[0]])
    op.create_index(
        "ix_orders_anonymous_id", "orders", ["anonymous_id"], postgresql_where=sa.text("anonymous_id IS NOT NULL")
    )
    _create_lines()


def _create_lines() -> None:
    op.create_table(
        "order_item",
        _key(),
        _reference("order_item", "order_id", "orders", ondelete="CASCADE", nullable=False),
        _reference("order_item", "product_id", "product", ondelete="SET NULL"),
        _reference("order_item", "pool_id", "stock_pool"),
        sa.Column("quantity", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("variants", postgresql.JSONB()),
        _blank("variants_label", 200),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_order_item_quantity_positive")),
        sa.CheckConstraint("price >= 0 AND price <> 'NaN'", name=op.f("ck_order_item_price_not_negative")),
    )
    op.create_index("ix_order_item_order_id", "order_item", ["order_id"])
    op.create_index("ix_order_item_product_id", "order_item", ["product_id"])
    op.create_table(
        "order_event",
        _key(),
        _reference("order_event", "order_id", "orders", ondelete="CASCADE", nullable=False),
        _instant("at", now=True),
        sa.Column("status", sa.String(20), nullable=False),
        _reference("order_event", "by_id", "users", ondelete="SET NULL"),
        _blank("cause", 100),
    )
    op.create_index("ix_order_event_order_id", "order_event", ["order_id", "id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("order_event", "order_item", "orders"):
        op.drop_table(table)
