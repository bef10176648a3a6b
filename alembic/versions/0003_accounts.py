"""Users, profiles and refresh tokens."""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geography

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false"))


def line(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")


def create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.String(150), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        line("first_name", 150),
        line("last_name", 150),
        line("dni", 20),
        line("admin_notes", 40),
        flag("is_staff"),
        flag("is_superuser"),
        flag("is_active"),
        flag("email_verified"),
        instant("blocked_at"),
        instant("date_joined", nullable=False, now=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("token_version", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
        sa.CheckConstraint("username <> ''", name=op.f("ck_users_username_given")),
        sa.CheckConstraint("blocked_at IS NULL OR NOT is_active", name=op.f("ck_users_blocked_is_inactive")),
    )
    op.create_index("uq_users_email_lower", "users", [sa.text("lower(email)")], unique=True)


def create_profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("location", Geography("POINT", srid=4326, spatial_index=False), nullable=True),
        instant("first_paid_at"),
        instant("third_last_paid_at"),
        sa.Column("segments_override", sa.ARRAY(sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_profiles")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_profiles_user_id"), ondelete="CASCADE"),
        sa.CheckConstraint(
            "segments_override <@ ARRAY['new', 'frequent']::text[]", name=op.f("ck_profiles_known_segments")
        ),
    )
    op.create_index(
        "ix_profiles_location",
        "profiles",
        ["location"],
        postgresql_using="gist",
        postgresql_where=sa.text("location IS NOT NULL"),
    )


def create_refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("jti", sa.Uuid(), nullable=False),
        sa.Column("family", sa.Uuid(), nullable=False),
        sa.Column("parent", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        instant("created_at", nullable=False, now=True),
        instant("expires_at", nullable=False),
        instant("rotated_at"),
        instant("revoked_at"),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_refresh_tokens")),
        sa.UniqueConstraint("parent", name=op.f("uq_refresh_tokens_parent")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_refresh_tokens_user_id"), ondelete="CASCADE"),
    )
    for column in ("family", "user_id", "expires_at"):
        op.create_index(f"ix_refresh_tokens_{column}", "refresh_tokens", [column])


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_users()
    create_profiles()
    create_refresh_tokens()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("refresh_tokens", "profiles", "users"):
        op.drop_table(table)
