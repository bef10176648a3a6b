"""What users see and change about themselves."""

from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries
from app.domain.accounts.models import Profile, User
from app.domain.accounts.queries import Account
from app.errors import NotFound, Refused
from app.http.geo import GeoPoint

CODE_NEEDED = "Para cambiar el email hace falta un código de verificación válido"


class OwnProfile(msgspec.Struct, frozen=True):
    """An account with the place that its owner told us."""

    account: Account
    location: GeoPoint | None


class ProfileService:
    """One user's own data."""

    def __init__(self, session: AsyncSession, user_id: int) -> None:
        self.session = session
        self.user_id = user_id

    async def read(self) -> OwnProfile:
        """Raises NotFound for a user that is gone."""
        row = (await self.session.execute(queries.OWN_PROFILE, {"user_id": self.user_id})).one_or_none()
        if row is None:
            raise NotFound
        *columns, place = row
        return OwnProfile(Account(*columns), GeoPoint.from_wkb(place.data) if place is not None else None)

    async def change(self, changes: dict[str, Any]) -> OwnProfile:
        """Store what is named: `first_name`, `last_name`, `location` (None forgets it), `email` with its code.

        Raises Refused, with nothing stored, for another e-mail without a good `verification_code`.
        """
        if "email" in changes:
            await self._check_email(changes["email"])
        names = {name: changes[name] for name in ("first_name", "last_name") if name in changes}
        if names:
            await self.session.execute(update(User).where(User.id == self.user_id).values(**names))
        if "location" in changes:
            await self._move(changes["location"])
        return await self.read()

    async def _check_email(self, email: str) -> None:
        stored = await self.session.execute(select(User.email).where(User.id == self.user_id))
        if stored.scalar_one().lower() != email.lower():
            raise Refused(CODE_NEEDED)

    async def _move(self, place: GeoPoint | None) -> None:
        value = place.ewkt if place is not None else None
        statement = insert(Profile).values(user_id=self.user_id, location=value)
        await self.session.execute(
            statement.on_conflict_do_update(
                index_elements=[Profile.user_id], set_={"location": statement.excluded.location}
            )
        )
