"""What users see and change about themselves."""

from typing import Any

import msgspec
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import constraint_of
from app.domain.accounts import queries
from app.domain.accounts.models import Profile, User
from app.domain.accounts.queries import Account
from app.domain.accounts.rules.names import normal_email
from app.domain.accounts.rules.registration import EmailTaken
from app.domain.accounts.service.accounts import EMAIL_CONSTRAINT
from app.domain.accounts.service.codes import CodeService
from app.domain.activity.service import ActivityService, Deed
from app.errors import NotFound, Refused
from app.http.geo import GeoPoint
from app.http.principal import Principal
from app.settings import Settings


class EmailCodeNeeded(Refused):
    """Para cambiar el email hace falta un código de verificación válido"""


class OwnProfile(msgspec.Struct, frozen=True):
    """An account with the place that its owner told us."""

    account: Account
    location: GeoPoint | None


class ProfileService:
    """One user's own data."""

    def __init__(self, session: AsyncSession, user: Principal, settings: Settings) -> None:
        self.session = session
        self.user = user
        self.codes = CodeService(session, settings)

    async def read(self) -> OwnProfile:
        """Raises NotFound for a user that is gone."""
        row = (await self.session.execute(queries.OWN_PROFILE, {"user_id": self.user.id})).one_or_none()
        if row is None:
            raise NotFound
        *columns, place = row
        return OwnProfile(Account(*columns), GeoPoint.from_wkb(place.data) if place is not None else None)

    async def change(self, changes: dict[str, Any]) -> OwnProfile | EmailCodeNeeded:
        """Store what is named: `first_name`, `last_name`, `location` (None forgets it), `email` with its code.

        Another e-mail without a good `verification_code` is refused with nothing stored; the refusal is returned, so
        that the try counts. Raises EmailTaken for an e-mail that is somebody else's by now.
        """
        if "email" in changes:
            refusal = await self._change_email(changes["email"], changes.get("verification_code"))
            if refusal is not None:
                return refusal
        names = {name: changes[name] for name in ("first_name", "last_name") if name in changes}
        if names:
            await self.session.execute(update(User).where(User.id == self.user.id).values(**names))
        if "location" in changes:
            await self._move(changes["location"])
        return await self.read()

    async def _change_email(self, email: str, code: str | None) -> EmailCodeNeeded | None:
        found = await self.session.execute(queries.LOCKED_BY_ID, {"user_id": self.user.id})
        account = Account(*found.one())
        if account.email.lower() == email.lower():
            return None
        if not code or not await self.codes.prove(account.id, "EMAIL_CHANGE", code, email):
            return EmailCodeNeeded()
        values = {"email": normal_email(email), "email_verified": True}
        try:
            await self.session.execute(update(User).where(User.id == account.id).values(**values))
        except IntegrityError as error:
            if constraint_of(error) != EMAIL_CONSTRAINT:
                raise
            raise EmailTaken from error
        # What was sent to the old address proves nothing about the new one.
        await self.codes.void(account.id)
        changed = {"email": [account.email, values["email"]]}
        deed = Deed(object_id=account.id, description="Email cambiado", changes=changed)
        await ActivityService(self.session).write(self.user, "email_change", "user", deed)
        return None

    async def _move(self, place: GeoPoint | None) -> None:
        value = place.ewkt if place is not None else None
        statement = insert(Profile).values(user_id=self.user.id, location=value)
        await self.session.execute(
            statement.on_conflict_do_update(
                index_elements=[Profile.user_id], set_={"location": statement.excluded.location}
            )
        )
