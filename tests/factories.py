"""Rows for tests: a call makes one, with what the test names and sane values for the rest."""

import time
from functools import cache
from itertools import count
from typing import Any
from uuid import uuid4

from argon2 import PasswordHasher
from polyfactory import Use
from polyfactory.factories.sqlalchemy_factory import SQLAlchemyFactory
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import tokens
from app.domain.accounts.models import Profile, User
from app.domain.accounts.service.passwords import LANES, MEMORY_KIB, PASSES
from app.http.geo import GeoPoint
from app.settings import Settings

PASSWORD = "una-clave-larga-2026"
_numbers = count(1)


@cache
def password_hash(password: str, *, dear: bool = False) -> str:
    """Hashed once for each password of the run. It costs what a shop's do when `dear`, else next to nothing."""
    costs = (PASSES, MEMORY_KIB, LANES) if dear else (1, 8, 1)
    return PasswordHasher(*costs).hash(password)


class UserFactory(SQLAlchemyFactory[User]):
    """A verified, active shopper."""

    __set_relationships__ = False
    __set_primary_key__ = False

    username = Use(lambda: f"user{next(_numbers)}")
    email = Use(lambda: f"shopper{next(_numbers)}@example.com")
    first_name = "Ana"
    last_name = "Prueba"
    dni = ""
    admin_notes = ""
    is_staff = False
    is_superuser = False
    is_active = True
    email_verified = True
    blocked_at = None
    deleted_at = None
    token_version = 0


async def make_user(
    db: AsyncSession,
    *,
    password: str = PASSWORD,
    dear: bool = False,
    location: tuple[float, float] | None = None,
    profile: dict[str, Any] | None = None,
    **fields: Any,
) -> User:
    """A committed user with its profile. `location` is (lat, lon); `profile` takes the profile's other columns.

    To compare a password takes as long as in a shop when it is `dear`: for whoever looks at that time.
    """
    user = UserFactory.build(password_hash=password_hash(password, dear=dear), **fields)
    place = None if location is None else GeoPoint(*location).ewkt
    user.profile = Profile(location=place, **(profile or {}))
    db.add(user)
    await db.commit()
    return user


async def make_staff(db: AsyncSession, **fields: Any) -> User:
    return await make_user(db, is_staff=True, **fields)


def bearer(settings: Settings, user: User) -> dict[str, str]:
    """The headers of a signed-in user, without a login."""
    token = tokens.mint(
        settings.secret_key,
        tokens.ACCESS,
        user_id=user.id,
        version=user.token_version,
        jti=uuid4(),
        now=int(time.time()),
    )
    return {"Authorization": f"Bearer {token}"}
