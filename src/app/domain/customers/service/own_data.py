"""What the shop knows about somebody: all of it to read, and gone on demand."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries as accounts
from app.domain.accounts.models import Profile, RefreshToken, User, VerificationCode
from app.domain.accounts.rules.doors import UserInactive, WrongPassword
from app.domain.accounts.service.credentials import CredentialService
from app.domain.accounts.service.token_pairs import TokenPairService
from app.domain.activity.models import ActivityLog
from app.domain.activity.rules import plain
from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog.models import Review
from app.domain.customers import queries
from app.domain.customers.rules import AdminStays
from app.domain.devices.models import DeviceToken, NotificationPreference
from app.domain.orders.queries.reading import orders_of
from app.domain.orders.service.reading import OrderReader
from app.http.principal import Principal
from app.settings import Settings

# A hash that no password has.
NO_PASSWORD = "!"  # noqa: S105 - it is none


class PersonalData(Protocol):
    """What a domain further down the line stores about users; `server.py` lists them."""

    name: str

    async def export(self, session: AsyncSession, user_id: int) -> Any:
        """All of it, in values that JSON can show."""
        ...

    async def erase(self, session: AsyncSession, user_id: int) -> None:
        """Whatever need not be kept, in this transaction."""
        ...


class OwnDataService:
    """One user's own data, wherever it lies."""

    def __init__(
        self, session: AsyncSession, settings: Settings, user: Principal, others: Sequence[PersonalData] = ()
    ) -> None:
        self.session = session
        self.settings = settings
        self.user = user
        self.others = others

    async def export(self) -> dict[str, Any]:
        """All that is stored about the user, but for what protects the account (hashes) and for staff's own notes."""
        told: dict[str, Any] = {"exported_at": dt.datetime.now(dt.UTC)}
        for name, statement in queries.stored_about(self.user.id).items():
            rows = (await self.session.execute(statement)).mappings().all()
            told[name] = plain(dict(rows[0]) if name == "account" else [dict(row) for row in rows])
        told["orders"] = await OrderReader(self.session, self.settings).read(orders_of(self.user.id), timeline=True)
        for other in self.others:
            told[other.name] = await other.export(self.session, self.user.id)
        return told

    async def delete(self, password: str, credentials: CredentialService) -> None:
        """The account becomes nobody's: its orders stay, nothing in it leads to a person any more.

        Raises WrongPassword, and AdminStays for who may administer the shop.
        """
        if await credentials.by_id(self.user.id, password) is None:
            raise WrongPassword
        found = await self.session.execute(accounts.LOCKED_BY_ID, {"user_id": self.user.id})
        account = found.one_or_none()
        if account is None or not account.is_active:
            raise UserInactive
        if account.is_staff or account.is_superuser:
            raise AdminStays
        await TokenPairService(self.session, self.settings).end_all(account.id)
        await self._erase(account.id)
        deed = Deed(object_id=account.id, description="Cuenta eliminada por su titular")
        await ActivityService(self.session).write(None, "delete", "user", deed)

    async def _erase(self, user_id: int) -> None:
        nobody = f"deleted-{uuid4().hex}"
        blank = dict.fromkeys(("first_name", "last_name", "dni", "admin_notes"), "")
        gone = {"is_active": False, "email_verified": False, "deleted_at": queries.CLOCK, "password_hash": NO_PASSWORD}
        names = {"username": nobody, "email": f"{nobody}@deleted.invalid"}
        statements = (
            update(User).where(User.id == user_id).values(**blank, **gone, **names),
            update(Profile).where(Profile.user_id == user_id).values(location=None, segments_override=None),
            delete(VerificationCode).where(VerificationCode.user_id == user_id),
            delete(RefreshToken).where(RefreshToken.user_id == user_id),
            delete(DeviceToken).where(DeviceToken.user_id == user_id),
            delete(NotificationPreference).where(NotificationPreference.user_id == user_id),
            delete(Review).where(Review.user_id == user_id),
            # That something was done stays in the log; from where, and which name or address became which, goes.
            update(ActivityLog).where(ActivityLog.user_id == user_id).values(ip_address=None),
            update(ActivityLog).where(*queries.about(user_id)).values(changes={}),
            update(ActivityLog).where(*queries.about_orders(user_id)).values(changes={}),
        )
        for statement in statements:
            await self.session.execute(statement)
        for other in self.others:
            await other.erase(self.session, user_id)
