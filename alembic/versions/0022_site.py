"""Configuration, maintenance and visitors."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# Processes that listen hear of a change when it is committed, however it was made.
ANNOUNCE = """
    CREATE FUNCTION announce_site_config() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('site_config', '');
        RETURN NULL;
    END $$
"""
TRIGGER = """
    CREATE TRIGGER site_config_announced AFTER INSERT OR UPDATE OR DELETE ON site_config
    FOR EACH STATEMENT EXECUTE FUNCTION announce_site_config()
"""


def _instant(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _text(name: str, length: int | None = None) -> sa.Column:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=False, server_default="")


def _flag(name: str, default: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text(default))


def _create_site_config() -> None:
    op.create_table(
        "site_config",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False, server_default=sa.text("1")),
        sa.Column("min_purchase_amount", sa.Numeric(10, 2), nullable=False, server_default=sa.text("0")),
        _flag("maintenance_mode", "false"),
        _text("maintenance_message"),
        _text("bypass_password_hash"),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_config")),
        sa.CheckConstraint("id = 1", name=op.f("ck_site_config_one_row")),
        sa.CheckConstraint(
            "min_purchase_amount >= 0 AND min_purchase_amount <> 'NaN'",
            name=op.f("ck_site_config_min_purchase_not_negative"),
        ),
    )
    op.execute(ANNOUNCE)
    op.execute(TRIGGER)


def _create_visitor() -> None:
    op.create_table(
        "visitor",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("ip_address", postgresql.INET(), nullable=False),
        _text("user_agent"),
        _instant("first_visit"),
        _instant("last_visit"),
        sa.Column("visit_count", sa.BigInteger(), nullable=False, server_default=sa.text("1")),
        _flag("is_active", "true"),
        _text("country", 100),
        _text("city", 100),
        _text("referrer", 500),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visitor")),
        sa.UniqueConstraint("ip_address", name=op.f("uq_visitor_ip_address")),
        sa.CheckConstraint("visit_count >= 1", name=op.f("ck_visitor_visited")),
    )
    op.create_index("ix_visitor_last_visit", "visitor", [sa.text("last_visit DESC"), sa.text("id DESC")])
    op.create_index("ix_visitor_first_visit", "visitor", ["first_visit"])
    op.create_index(
        "ix_visitor_visit_count",
        "visitor",
        [sa.text("visit_count DESC"), sa.text("last_visit DESC"), sa.text("id DESC")],
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_site_config()
    _create_visitor()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("visitor")
    op.drop_table("site_config")
    op.execute("DROP FUNCTION announce_site_config()")
