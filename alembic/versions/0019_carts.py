"""Carts, and those left behind."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATUSES = "'active', 'abandoned', 'recovered', 'converted', 'expired'"


def _instant(name: str, *, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not now, server_default=default)


def _line(name: str, length: int, default: str = "") -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def _sum(name: str) -> sa.Column:
    return sa.Column(name, sa.Numeric(22, 2), nullable=False, server_default=sa.text("0"))


def _customer() -> list[sa.Column]:
    lengths = {"customer_name": 100, "customer_email": 254, "customer_phone": 30}
    address = {"address": 200, "street": 200, "number": 20, "neighborhood": 100, "city": 100, "postal_code": 10}
    lengths |= {f"shipping_{name}": length for name, length in address.items()}
    return [*(_line(name, length) for name, length in lengths.items()), _line("delivery_type", 10, "pickup")]


def _checks() -> list[sa.CheckConstraint]:
    checks = {
        "status": f"status IN ({STATUSES})",
        "delivery_type": "delivery_type IN ('delivery', 'pickup')",
        "total_adds_up": "total = subtotal - discount AND total >= 0 AND discount >= 0",
        "converted_has_order": "(status = 'converted') = (converted_order_id IS NOT NULL)",
        "abandoned_has_a_time": "status <> 'abandoned' OR abandoned_at IS NOT NULL",
        "recovered_has_a_time": "status <> 'recovered' OR recovered_at IS NOT NULL",
    }
    return [sa.CheckConstraint(check, name=op.f(f"ck_cart_{name}")) for name, check in checks.items()]


def _create_cart() -> None:
    op.create_table(
        "cart",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("anonymous_id", sa.Uuid(), nullable=True),
        _line("status", 10, "active"),
        *_customer(),
        sa.Column("coupon_id", sa.Uuid(), nullable=True),
        *(_sum(name) for name in ("subtotal", "discount", "total")),
        *(_instant(name, now=True) for name in ("created_at", "last_activity")),
        *(_instant(name) for name in ("abandoned_at", "recovered_at")),
        sa.Column("reminder_emails_sent", sa.Integer(), nullable=False, server_default=sa.text("0")),
        _instant("last_reminder_sent_at"),
        sa.Column("episode_reminders", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("converted_order_id", sa.BigInteger(), nullable=True),
        sa.Column("migrated_order_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_cart_user_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupon.id"], name=op.f("fk_cart_coupon_id"), ondelete="SET NULL"),
        sa.UniqueConstraint("anonymous_id", name=op.f("uq_cart_anonymous_id")),
        sa.UniqueConstraint("migrated_order_id", name=op.f("uq_cart_migrated_order_id")),
        *_checks(),
    )
    op.create_index("ix_cart_last_activity", "cart", [sa.text("last_activity DESC"), sa.text("id DESC")])
    op.create_index("ix_cart_status_last_activity", "cart", ["status", "last_activity"])
    op.create_index("ix_cart_created_at", "cart", ["created_at"])
    op.create_index("ix_cart_user_id", "cart", ["user_id"], postgresql_where=sa.text("user_id IS NOT NULL"))
    op.create_index("ix_cart_coupon_id", "cart", ["coupon_id"], postgresql_where=sa.text("coupon_id IS NOT NULL"))


def _create_cart_item() -> None:
    op.create_table(
        "cart_item",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("cart_id", sa.BigInteger(), nullable=False),
        sa.Column("product_id", sa.BigInteger(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("variants", postgresql.JSONB(), nullable=True),
        _line("variants_label", 200),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cart_item")),
        sa.ForeignKeyConstraint(["cart_id"], ["cart.id"], name=op.f("fk_cart_item_cart_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_cart_item_product_id"), ondelete="SET NULL"
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_cart_item_quantity_positive")),
        sa.CheckConstraint("price >= 0 AND price <> 'NaN'", name=op.f("ck_cart_item_price_not_negative")),
    )
    op.create_index("ix_cart_item_cart_id", "cart_item", ["cart_id"])
    op.create_index("ix_cart_item_product_id", "cart_item", ["product_id"])


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_cart()
    _create_cart_item()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("cart_item")
    op.drop_table("cart")
