"""What the shop knows about somebody: all of it to read, and gone on demand."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts import queries as accounts
from app.domain.accounts.rules.doors import UserInactive, WrongPassword
from app.domain.accounts.service.credentials import CredentialService
from app.domain.accounts.service.token_pairs import TokenPairService
from app.domain.activity.rules import plain
from app.domain.activity.service import ActivityService, Deed
from app.domain.customers import queries
from app.domain.customers.rules import AdminStays
from app.domain.customers.service.erasing import PersonalData, erase
from app.domain.orders.queries.reading import orders_of
from app.domain.orders.service.reading import OrderReader
from app.http.principal import Principal
from app.settings import Settings


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
        await erase(self.session, account.id, self.others)
        deed = Deed(object_id=account.id, description="Cuenta eliminada por su titular")
        await ActivityService(self.session).write(None, "delete", "user", deed)
