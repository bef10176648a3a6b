"""Distribution centres: their life, each with its place in the stock."""

from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.inventory.service import StockService
from app.domain.payments import models
from app.domain.payments.schemas.distribution_centers import DistributionCenter, DistributionCenterInput
from app.errors import NotFound
from app.http.principal import Principal

_TABLE = models.DistributionCenter


class DistributionCenterService:
    """Reads and writes centres in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.stock = StockService(session)
        self.log = ActivityService(session)

    @staticmethod
    def listed() -> Select[Any]:
        """All that were not deleted, oldest first, with the name of who made each."""
        return (
            select(*_TABLE.__table__.columns, User.username.label("created_by_name"))
            .outerjoin_from(_TABLE, User, User.id == _TABLE.created_by_id)
            .where(_TABLE.deleted_at.is_(None))
            .order_by(_TABLE.id)
        )

    async def get(self, center_id: int) -> DistributionCenter:
        """Raises NotFound."""
        return shown(await self._row(center_id))

    async def create(self, data: DistributionCenterInput, actor: Principal) -> DistributionCenter:
        """With a place of its own in the stock."""
        location_id = await self.stock.open_location(data.name)
        values = data.given() | {"location_id": location_id, "created_by_id": actor.id or None}
        center_id: int = (await self.session.execute(insert(_TABLE).values(values).returning(_TABLE.id))).scalar_one()
        center = await self.get(center_id)
        await self.log.write(actor, "create", "distributioncenter", _deed("Nuevo centro de distribución", None, center))
        return center

    async def change(self, center_id: int, data: DistributionCenterInput, actor: Principal) -> DistributionCenter:
        """Writes what was sent; the place bears the centre's name. Raises NotFound."""
        await self.session.execute(select(_TABLE.id).where(_TABLE.id == center_id).with_for_update(key_share=True))
        row = await self._row(center_id)
        before = shown(row)
        if given := data.given():
            await self.session.execute(update(_TABLE).where(_TABLE.id == center_id).values(given))
            await self.stock.name_location(row.location_id, given.get("name", before.name))
        after = await self.get(center_id)
        deed = _deed("Centro de distribución actualizado", before, after)
        if deed.changes:
            await self.log.write(actor, "update", "distributioncenter", deed)
        return after

    async def delete(self, center_id: int, actor: Principal) -> None:
        """Gone from every list and read; its place stays for the ledger. Raises NotFound."""
        before = await self.get(center_id)
        there = (_TABLE.id == center_id, _TABLE.deleted_at.is_(None))
        gone = await self.session.execute(
            update(_TABLE).where(*there).values(deleted_at=func.now()).returning(_TABLE.id)
        )
        if gone.first() is None:
            raise NotFound
        deed = _deed("Centro de distribución eliminado", before, None)
        await self.log.write(actor, "delete", "distributioncenter", deed)

    async def _row(self, center_id: int) -> Row[*tuple[Any, ...]]:
        row: Row[*tuple[Any, ...]] | None
        row = (await self.session.execute(self.listed().where(_TABLE.id == center_id))).one_or_none()
        if row is None:
            raise NotFound
        return row


def _deed(what: str, before: DistributionCenter | None, after: DistributionCenter | None) -> Deed:
    """For the log; None is before it was there, and after."""
    names = ("name", "address", "phone", "is_active")
    sides = ({} if side is None else {name: getattr(side, name) for name in names} for side in (before, after))
    center = after or before
    if center is None:
        raise ValueError("a deed is done to a centre")
    return Deed(object_id=center.id, description=f"{what}: {center.name}", changes=differences(*sides))


def shown(row: Row[*tuple[Any, ...]]) -> DistributionCenter:
    """A row of `listed` as it is answered."""
    return DistributionCenter(
        id=row.id,
        name=row.name,
        address=row.address,
        phone=row.phone,
        is_active=row.is_active,
        created_by=row.created_by_id,
        created_by_name=row.created_by_name,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
