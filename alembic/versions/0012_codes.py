"""Verification codes, and accounts that their owners deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

PURPOSES = "'EMAIL_VERIFICATION', 'PASSWORD_RESET', 'EMAIL_CHANGE', 'PASSWORD_CHANGE'"


def _instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("users", _instant("deleted_at"))
    op.create_check_constraint(op.f("ck_users_deleted_is_inactive"), "users", "deleted_at IS NULL OR NOT is_active")
    op.create_index("ix_users_date_joined", "users", [sa.text("date_joined DESC"), sa.text("id DESC")])
    op.create_table(
        "verification_codes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        _instant("created_at", nullable=False, now=True),
        _instant("expires_at", nullable=False),
        _instant("ended_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_codes")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_verification_codes_user_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint(f"purpose IN ({PURPOSES})", name=op.f("ck_verification_codes_purpose")),
        sa.CheckConstraint("tries BETWEEN 0 AND 5", name=op.f("ck_verification_codes_tries")),
        sa.CheckConstraint(
            "user_id IS NOT NULL OR ended_at IS NOT NULL", name=op.f("ck_verification_codes_live_has_user")
        ),
    )
    op.create_index(
        "uq_verification_codes_live",
        "verification_codes",
        ["user_id", "purpose"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_verification_codes_user_id", "verification_codes", ["user_id", "created_at"])
    op.create_index("ix_verification_codes_created_at", "verification_codes", ["created_at"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("verification_codes")
    op.drop_index("ix_users_date_joined", "users")
    op.drop_constraint(op.f("ck_users_deleted_is_inactive"), "users")
    op.drop_column("users", "deleted_at")
