"""How accounts are found."""

import datetime as dt
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ARRAY, BigInteger, Select, String, and_, any_, bindparam, func, select, text

from app.db.prepared import Prepared, argument, prepare
from app.domain.accounts.models import Profile, User, VerificationCode
from app.domain.accounts.rules.codes import TRIES
from app.domain.accounts.rules.passwords import Owner


class Account(msgspec.Struct, frozen=True):
    """A user's row as the doors need it; read in one statement and never kept beyond the request.

    `version` is what the user's tokens must bear.
    """

    id: int
    username: str
    email: str
    first_name: str
    last_name: str
    is_staff: bool
    is_superuser: bool
    is_active: bool
    email_verified: bool
    blocked_at: dt.datetime | None
    password_hash: str
    version: int

    @property
    def owner(self) -> Owner:
        """Whom a password of this account shall not look like."""
        return Owner(self.username, self.first_name, self.last_name, self.email)


_COLUMNS = (*(getattr(User, name) for name in Account.__struct_fields__[:-1]), User.token_version)

# Built once: the first runs with nearly every request.
BY_ID: Select[Any] = select(*_COLUMNS).where(User.id == bindparam("user_id"), User.deleted_at.is_(None))
BY_USERNAME: Select[Any] = select(*_COLUMNS).where(User.username == bindparam("name"))

# The lock that orders whatever gives out a user's tokens and codes, or ends them. Foreign keys do not wait for it.
LOCKED_BY_ID: Select[Any] = BY_ID.with_for_update(key_share=True)


@cache
def by_ids() -> Prepared:
    """`BY_ID` of many users at once, as the driver takes it."""
    any_id = User.id == any_(argument("ids", ARRAY(BigInteger)))
    return prepare(select(*_COLUMNS).where(any_id, User.deleted_at.is_(None)))


_SAME_EMAIL = func.lower(User.email) == func.lower(bindparam("name", type_=String))
# By user name or e-mail. A proven address beats a user name, which anybody may choose to look like one.
BY_LOGIN: Select[Any] = (
    select(*_COLUMNS)
    .where((User.username == bindparam("name")) | _SAME_EMAIL)
    .order_by((_SAME_EMAIL & User.email_verified).desc(), (User.username == bindparam("name")).desc())
    .limit(1)
)

# A hash from elsewhere becomes one of ours, unless the password was changed meanwhile.
RENEW_HASH = text("UPDATE users SET password_hash = :new WHERE id = :user AND password_hash = :was")

BY_EMAIL: Select[Any] = select(*_COLUMNS).where(_SAME_EMAIL)
LOCKED_BY_EMAIL: Select[Any] = BY_EMAIL.with_for_update(key_share=True)

# Those that stand in the way of a registration, the one with the e-mail first.
BY_NAME_OR_EMAIL: Select[Any] = (
    select(*_COLUMNS)
    .where((User.username == bindparam("username")) | _SAME_EMAIL)
    .order_by(_SAME_EMAIL.desc(), User.id)
)

# The account's columns, then the place.
OWN_PROFILE: Select[Any] = (
    select(*_COLUMNS, Profile.location)
    .outerjoin(Profile, Profile.user_id == User.id)
    .where(User.id == bindparam("user_id"))
)

# What a proof of its e-mail makes of an account: active, unless it is blocked.
PROVEN: dict[str, Any] = {"email_verified": True, "is_active": User.blocked_at.is_(None)}

CODE_LIVES = and_(
    VerificationCode.ended_at.is_(None),
    VerificationCode.tries < TRIES,
    VerificationCode.expires_at > func.clock_timestamp(),
)
LIVE_CODE: Select[Any] = (
    select(*VerificationCode.__table__.columns, User.username, User.first_name)
    .join(User, User.id == VerificationCode.user_id)
    .where(VerificationCode.id == bindparam("code_id"), CODE_LIVES)
)

# A code's id, and whether it may be sent: then the one before it is void. Runs under the user's lock; for nobody it
# does the same and finds nothing.
NEXT_CODE = text("""
    WITH recent AS (
        SELECT count(*) FILTER (WHERE created_at > clock_timestamp() - interval '1 hour') AS codes,
               coalesce(sum(tries), 0) AS tries
          FROM verification_codes
         WHERE user_id = CAST(:user_id AS bigint) AND purpose = :purpose
           AND created_at > clock_timestamp() - interval '1 day'
    ), verdict AS (
        SELECT codes < CAST(:codes AS integer) AND tries < CAST(:tries AS integer) AS allowed FROM recent
    ), voided AS (
        UPDATE verification_codes SET ended_at = clock_timestamp()
         WHERE user_id = CAST(:user_id AS bigint) AND purpose = :purpose AND ended_at IS NULL
           AND (SELECT allowed FROM verdict)
    )
    SELECT nextval(pg_get_serial_sequence('verification_codes', 'id')) AS id, allowed FROM verdict
""")

# A few bytes in the log of the database and nowhere else: the commit after it takes as long as one that has counted a
# try, and so a wrong code the same time whether or not there was one to be wrong about.
LEAVE_A_TRACE = text("SELECT pg_logical_emit_message(true, 'try', '')")
