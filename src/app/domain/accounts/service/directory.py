"""Accounts as the command line finds and shows them."""

import datetime as dt
from typing import Any, Literal

import msgspec
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.errors import NotFound

_LONGEST_ID = 18
_SHOWN = (
    User.id,
    User.username,
    User.email,
    User.first_name,
    User.last_name,
    User.is_staff,
    User.is_superuser,
    User.is_active,
    User.blocked_at,
    User.date_joined,
)


class Listed(msgspec.Struct, frozen=True):
    """An account in a list."""

    id: int
    username: str
    email: str
    name: str
    role: Literal["customer", "staff", "admin"]
    status: Literal["active", "blocked", "unverified"]
    date_joined: dt.datetime


class DirectoryService:
    """Reads accounts that were not deleted."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, user_id: int) -> Listed:
        return _listed((await self.session.execute(select(*_SHOWN).where(User.id == user_id))).one())

    async def find(self, text: str) -> Listed:
        """By user name, e-mail or id, in this order. Raises NotFound."""
        is_name = User.username == text
        is_email = func.lower(User.email) == text.lower()
        ways = [is_name, is_email]
        if text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID:
            ways.append(User.id == int(text))
        found = await self.session.execute(
            select(*_SHOWN)
            .where(User.deleted_at.is_(None), or_(*ways))
            .order_by(is_name.desc(), is_email.desc())
            .limit(1)
        )
        row = found.one_or_none()
        if row is None:
            raise NotFound(f"No account has the user name, e-mail or id {text!r}.")
        return _listed(row)

    async def page(self, search: str | None, limit: int, *, staff_only: bool = False) -> list[Listed]:
        """The newest whose user name, e-mail or names contain the text."""
        statement = select(*_SHOWN).where(User.deleted_at.is_(None))
        if search:
            columns = (User.username, User.email, User.first_name, User.last_name)
            statement = statement.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
        if staff_only:
            statement = statement.where(or_(User.is_staff, User.is_superuser))
        newest = statement.order_by(User.date_joined.desc(), User.id.desc()).limit(limit)
        return [_listed(row) for row in await self.session.execute(newest)]


def _listed(row: Any) -> Listed:
    status: Literal["active", "blocked", "unverified"] = "active" if row.is_active else "unverified"
    return Listed(
        id=row.id,
        username=row.username,
        email=row.email,
        name=f"{row.first_name} {row.last_name}".strip(),
        role="admin" if row.is_superuser else "staff" if row.is_staff else "customer",
        status="blocked" if row.blocked_at is not None else status,
        date_joined=row.date_joined,
    )
