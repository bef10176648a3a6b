"""How accounts are found."""

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import Select, String, bindparam, func, select

from app.domain.accounts.models import Profile, User


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


_COLUMNS = (*(getattr(User, name) for name in Account.__struct_fields__[:-1]), User.token_version)

# Built once: the first runs with nearly every request.
BY_ID: Select[Any] = select(*_COLUMNS).where(User.id == bindparam("user_id"))
BY_USERNAME: Select[Any] = select(*_COLUMNS).where(User.username == bindparam("name"))

_SAME_EMAIL = func.lower(User.email) == func.lower(bindparam("name", type_=String))
# By user name or e-mail. A proven address beats a user name, which anybody may choose to look like one.
BY_LOGIN: Select[Any] = (
    select(*_COLUMNS)
    .where((User.username == bindparam("name")) | _SAME_EMAIL)
    .order_by((_SAME_EMAIL & User.email_verified).desc(), (User.username == bindparam("name")).desc())
    .limit(1)
)

# The account's columns, then the place.
OWN_PROFILE: Select[Any] = (
    select(*_COLUMNS, Profile.location)
    .outerjoin(Profile, Profile.user_id == User.id)
    .where(User.id == bindparam("user_id"))
)
