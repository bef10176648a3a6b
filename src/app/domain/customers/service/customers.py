"""Customers under the hands of staff."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import field_error_of
from app.domain.accounts.models import Profile, User
from app.domain.accounts.rules.names import normal_email, username_problems
from app.domain.accounts.service.accounts import TAKEN, AccountService
from app.domain.accounts.service.codes import CodeService
from app.domain.accounts.service.passwords import Passwords
from app.domain.accounts.service.standing import StandingService
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.customers import queries
from app.domain.customers.rules import check_may_touch
from app.domain.customers.schemas import Customer, CustomerInput, NewCustomerInput
from app.domain.customers.service.erasing import PersonalData, erase
from app.domain.orders.queries.reading import orders_of
from app.domain.orders.schemas.orders import Order
from app.domain.orders.service.reading import OrderReader
from app.errors import Invalid, NotFound
from app.http.principal import Principal
from app.settings import Settings

_WRITTEN = ("username", "email", "first_name", "last_name", "dni", "admin_notes")


class CustomerService:
    """What staff do is logged under `actor`, in the same transaction."""

    def __init__(self, session: AsyncSession, settings: Settings, actor: Principal) -> None:
        self.session = session
        self.settings = settings
        self.actor = actor
        self.standing = StandingService(session, settings)

    async def count(self, search: str | None) -> int:
        return int((await self.session.execute(queries.count(search))).scalar_one())

    async def page(self, search: str | None, limit: int, offset: int) -> list[Customer]:
        rows = await self.session.execute(queries.page(search, limit, offset))
        return [_customer(row) for row in rows]

    async def get(self, user_id: int) -> Customer:
        """Raises NotFound, also for staff."""
        row = (await self.session.execute(queries.one(user_id))).one_or_none()
        if row is None:
            raise NotFound
        return _customer(row)

    async def orders(self, user_id: int) -> list[Order]:
        """All of them, newest first. Raises NotFound."""
        await self.get(user_id)
        return await OrderReader(self.session, self.settings).read(orders_of(user_id))

    async def create(self, data: NewCustomerInput, passwords: Passwords) -> Customer:
        """Raises Invalid by field, as AccountService does."""
        accounts = AccountService(self.session, passwords)
        user = await accounts.create(data.username, data.email, data.password, dni=data.dni)
        changes = differences({}, {"username": user.username, "email": user.email, "dni": user.dni})
        await self._log("create", user.id, "Cliente creado", changes)
        return await self.get(user.id)

    async def change(self, user_id: int, data: CustomerInput) -> Customer:
        """Writes what was sent. Raises NotFound, and Invalid for a user name or e-mail that is taken or wrong."""
        given = data.given()
        columns = [getattr(User, name) for name in _WRITTEN]
        found = await self.session.execute(
            select(*columns).where(queries.IS_CUSTOMER, User.id == user_id).with_for_update(key_share=True)
        )
        row = found.mappings().one_or_none()
        if row is None:
            raise NotFound
        before = dict(row)
        values = {name: given[name] for name in _WRITTEN if name in given}
        if "email" in values:
            values["email"] = normal_email(values["email"])
        await self._write(user_id, before, values)
        after = before | values
        if "segments_override" in given:
            before["segments_override"] = await self._segment(user_id, given["segments_override"])
            after["segments_override"] = given["segments_override"]
        if changes := differences(before, after):
            await self._log("update", user_id, "Cliente modificado", changes)
        return await self.get(user_id)

    async def _write(self, user_id: int, before: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        if problems := username_problems(values.get("username", before["username"])):
            raise Invalid({"username": problems})
        if not values:
            return
        try:
            await self.session.execute(update(User).where(User.id == user_id).values(dict(values)))
        except IntegrityError as error:
            raise field_error_of(error, TAKEN) or error from error
        if values.get("email", before["email"]) != before["email"]:
            await CodeService(self.session, self.settings).void(user_id)

    async def _segment(self, user_id: int, segments: list[str] | None) -> list[str] | None:
        """Replaces the override; the one before."""
        before = await self.session.execute(select(Profile.segments_override).where(Profile.user_id == user_id))
        unique = None if segments is None else sorted(set(segments))
        statement = insert(Profile).values(user_id=user_id, segments_override=unique)
        await self.session.execute(
            statement.on_conflict_do_update(
                index_elements=[Profile.user_id], set_={"segments_override": statement.excluded.segments_override}
            )
        )
        return before.scalar_one_or_none()

    async def block(self, user_id: int, notes: str | None) -> str:
        """The notes as they are now. Raises NotFound, and ProtectedAccount for staff and for the actor."""
        await self._check(user_id)
        return await self.standing.block(user_id, notes, self.actor)

    async def unblock(self, user_id: int) -> bool:
        """Whether the account is active now. Raises as `block` does."""
        await self._check(user_id)
        return await self.standing.unblock(user_id, self.actor)

    async def delete(self, user_id: int, others: Sequence[PersonalData]) -> None:
        """The account is gone for good; its orders stay without a user. Raises as `block` does.

        Rows that outlive the account lose what leads to the person while they still say whose they are.
        """
        await self._check(user_id)
        await erase(self.session, user_id, others)
        await self.session.execute(delete(User).where(User.id == user_id))
        await self._log("delete", user_id, "Cliente eliminado", {})

    async def _check(self, user_id: int) -> None:
        found = await self.session.execute(
            select(User.id, User.is_staff, User.is_superuser)
            .where(User.id == user_id, User.deleted_at.is_(None))
            .with_for_update(key_share=True)
        )
        row = found.one_or_none()
        if row is None:
            raise NotFound
        check_may_touch(row, self.actor)

    async def _log(self, action: str, user_id: int, description: str, changes: Mapping[str, Any]) -> None:
        deed = Deed(object_id=user_id, description=description, changes=changes)
        await ActivityService(self.session).write(self.actor, action, "user", deed)


def _customer(row: Any) -> Customer:
    return Customer(
        id=row.id,
        username=row.username,
        email=row.email,
        dni=row.dni,
        name=f"{row.first_name} {row.last_name}".strip(),
        date_joined=row.date_joined,
        total_orders=row.total_orders,
        total_spent=row.total_spent,
        last_purchase=row.last_purchase,
        is_active=row.is_active,
        admin_notes=row.admin_notes,
    )
