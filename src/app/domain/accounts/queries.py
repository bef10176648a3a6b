"""How accounts are found."""

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import Select, func, select

from app.domain.accounts.models import Profile, User


class Account(msgspec.Struct, frozen=True):
    """A user's row as the doors need it; read in one statement and never kept beyond the request."""

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
    token_version: int


_COLUMNS = tuple(getattr(User, name) for name in Account.__struct_fields__)


def by_id(user_id: int) -> Select[Any]:
    return select(*_COLUMNS).where(User.id == user_id)


def by_username(username: str) -> Select[Any]:
    return select(*_COLUMNS).where(User.username == username)


def by_email(email: str) -> Select[Any]:
    """Without regard to case, as e-mail addresses are unique."""
    return select(*_COLUMNS).where(func.lower(User.email) == func.lower(email))


def by_login(name: str) -> Select[Any]:
    """By user name or e-mail. A proven address beats a user name, which anybody may choose to look like one."""
    same_email = func.lower(User.email) == func.lower(name)
    return (
        select(*_COLUMNS)
        .where((User.username == name) | same_email)
        .order_by((same_email & User.email_verified).desc(), (User.username == name).desc())
        .limit(1)
    )


def own_profile(user_id: int) -> Select[Any]:
    """The account's columns, then the place."""
    return select(*_COLUMNS, Profile.location).outerjoin(Profile, Profile.user_id == User.id).where(User.id == user_id)
