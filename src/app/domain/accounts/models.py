"""Who: users, what promotions know about them, every refresh token that was given out, the codes sent by mail."""

from uuid import UUID

from geoalchemy2 import WKBElement
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.models import Base, CreatedAt, Identified, Instant, point_column
from app.domain.accounts.rules.codes import PURPOSES, TRIES

USERNAME_LENGTH = 150
EMAIL_LENGTH = 254
NAME_LENGTH = 150
DNI_LENGTH = 20
NOTES_LENGTH = 40
_PURPOSE_LIST = ", ".join(f"'{purpose}'" for purpose in PURPOSES)


class Profile(Base):
    """What promotions ask about a user.

    Orders keep the two instants up to date, so that segments are predicates of the clock: new without `first_paid_at`
    or with one in the last 30 days, frequent with `third_last_paid_at` in the last 90. `segments_override` (staff)
    replaces both rules by a list of segments.
    """

    __tablename__ = "profiles"
    __table_args__ = (
        CheckConstraint("segments_override <@ ARRAY['new', 'frequent']::text[]", name="known_segments"),
        Index(
            "ix_profiles_location",
            "location",
            postgresql_using="gist",
            postgresql_where=text("location IS NOT NULL"),
        ),
    )

    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    location: Mapped[WKBElement | None] = mapped_column(point_column())
    first_paid_at: Mapped[Instant | None]
    third_last_paid_at: Mapped[Instant | None]
    segments_override: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class User(Identified, Base):
    """An account. An inactive one is blocked (`blocked_at`), deleted by its owner, or its e-mail is not verified yet.

    Of a deleted one nothing personal is left: it holds the place that its orders refer to.
    `token_version` is written into every token; raising it ends them all.
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username"),
        CheckConstraint("username <> ''", name="username_given"),
        CheckConstraint("blocked_at IS NULL OR NOT is_active", name="blocked_is_inactive"),
        CheckConstraint("deleted_at IS NULL OR NOT is_active", name="deleted_is_inactive"),
        Index("uq_users_email_lower", text("lower(email)"), unique=True),
        Index("ix_users_date_joined", text("date_joined DESC"), text("id DESC")),
        Index(
            "ix_users_customers",
            "date_joined",
            postgresql_where=text("NOT is_staff AND NOT is_superuser AND deleted_at IS NULL"),
        ),
        # Few are inactive: whoever asks for everybody else takes them away by a look at this index.
        Index("ix_users_inactive", "id", postgresql_where=text("NOT is_active")),
    )

    username: Mapped[str] = mapped_column(String(USERNAME_LENGTH))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    first_name: Mapped[str] = mapped_column(String(NAME_LENGTH), server_default="")
    last_name: Mapped[str] = mapped_column(String(NAME_LENGTH), server_default="")
    dni: Mapped[str] = mapped_column(String(DNI_LENGTH), server_default="")
    admin_notes: Mapped[str] = mapped_column(String(NOTES_LENGTH), server_default="")
    is_staff: Mapped[bool] = mapped_column(server_default=text("false"))
    is_superuser: Mapped[bool] = mapped_column(server_default=text("false"))
    is_active: Mapped[bool] = mapped_column(server_default=text("false"))
    email_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    blocked_at: Mapped[Instant | None]
    deleted_at: Mapped[Instant | None]
    date_joined: Mapped[CreatedAt]
    password_hash: Mapped[str] = mapped_column(Text)
    token_version: Mapped[int] = mapped_column(server_default=text("0"))

    profile: Mapped[Profile] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)


class RefreshToken(Base):
    """A refresh token that was given out.

    `family` is shared by all that came from one login; a parent has one child at most.
    """

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        UniqueConstraint("parent"),
        Index("ix_refresh_tokens_family", "family"),
        Index("ix_refresh_tokens_user_id", "user_id"),
        Index("ix_refresh_tokens_expires_at", "expires_at"),
    )

    jti: Mapped[UUID] = mapped_column(primary_key=True)
    family: Mapped[UUID]
    parent: Mapped[UUID | None]
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant]
    rotated_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]


class VerificationCode(Identified, Base):
    """A code that was mailed; the row holds its digest. At most one of a user and purpose is live.

    `email` is the address that it was sent to and that it proves. A row without a user was written for an address that
    no account has, so that asking for a code takes the same time for all.
    """

    __tablename__ = "verification_codes"
    __table_args__ = (
        CheckConstraint(f"purpose IN ({_PURPOSE_LIST})", name="purpose"),
        CheckConstraint(f"tries BETWEEN 0 AND {TRIES}", name="tries"),
        CheckConstraint("user_id IS NOT NULL OR ended_at IS NOT NULL", name="live_has_user"),
        Index(
            "uq_verification_codes_live",
            "user_id",
            "purpose",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_verification_codes_user_id", "user_id", "created_at"),
        Index("ix_verification_codes_created_at", "created_at"),
    )

    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(20))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant]
    # When it was used, voided by a newer one, or by a change of the account.
    ended_at: Mapped[Instant | None]
