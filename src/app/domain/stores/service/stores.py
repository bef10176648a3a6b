"""Stores: who may change one, and its life."""

from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import ColumnElement, Row, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.stores import models, queries
from app.domain.stores.schemas import Store, StoreInput
from app.errors import Forbidden, Invalid, NotFound
from app.http.geo import GeoPoint
from app.http.principal import Principal


class StoreService:
    """Reads and writes stores in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.log = ActivityService(session)

    async def all(self, near: GeoPoint | None, radius_m: float) -> list[Store]:
        """Every store, or those within the radius, nearest first."""
        rows = await self.session.execute(self.listed(near, radius_m))
        return [shown(row) for row in rows]

    @staticmethod
    def listed(near: GeoPoint | None, radius_m: float) -> queries.ReadStatement:
        """The statement behind the list, for paging."""
        return queries.stores() if near is None else queries.stores_near(near, radius_m)

    async def get(self, store_id: int) -> Store:
        """Raises NotFound."""
        rows = await self.session.execute(queries.stores().where(models.Store.id == store_id))
        row = rows.one_or_none()
        if row is None:
            raise NotFound
        return shown(row)

    async def check_rights(self, store_id: int, user: Principal) -> None:
        """Staff and the store's owner may change it. Raises NotFound, Forbidden."""
        statement = select(models.Store.owner_id).where(models.Store.id == store_id, models.Store.deleted_at.is_(None))
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound
        if not (user.is_admin or row.owner_id == user.id):
            raise Forbidden

    async def owns_any(self, user: Principal) -> bool:
        """Whether the user is the owner of a store."""
        statement = select(models.Store.id).where(models.Store.owner_id == user.id, models.Store.deleted_at.is_(None))
        return (await self.session.execute(statement.limit(1))).first() is not None

    async def create(self, data: StoreInput, actor: Principal) -> Store:
        """Raises Invalid for an unknown owner."""
        values = await self._values(data.given())
        statement = insert(models.Store).values(values).returning(models.Store.id)
        store_id: int = (await self.session.execute(statement)).scalar_one()
        store = await self.get(store_id)
        changes = differences({}, _logged(store))
        deed = Deed(object_id=store_id, description=f"Nueva tienda creada: {store.name}", changes=changes)
        await self.log.write(actor, "create", "store", deed)
        return store

    async def change(self, store_id: int, data: StoreInput, user: Principal) -> Store:
        """Writes what was sent, the owner by staff alone. Raises NotFound, Forbidden, Invalid."""
        statement = select(models.Store.id).where(models.Store.id == store_id)
        await self.session.execute(statement.with_for_update(key_share=True))
        await self.check_rights(store_id, user)
        before = await self.get(store_id)
        given = data.given()
        if not user.is_admin:
            given.pop("owner", None)
        if values := await self._values(given):
            await self.session.execute(update(models.Store).where(models.Store.id == store_id).values(values))
        after = await self.get(store_id)
        if changes := differences(_logged(before), _logged(after)):
            deed = Deed(object_id=store_id, description=f"Tienda actualizada: {after.name}", changes=changes)
            await self.log.write(user, "update", "store", deed)
        return after

    async def delete(self, store_id: int, actor: Principal) -> None:
        """The store and what it sells are gone from every list and read; their rows stay. Raises NotFound."""
        statement = (
            update(models.Store)
            .where(models.Store.id == store_id, models.Store.deleted_at.is_(None))
            .values(deleted_at=func.now())
            .returning(models.Store.name)
        )
        name = (await self.session.execute(statement)).scalar_one_or_none()
        if name is None:
            raise NotFound
        description = f"Tienda '{name}' eliminada exitosamente"
        deed = Deed(object_id=store_id, description=description, changes={"name": [name, None]})
        await self.log.write(actor, "delete", "store", deed)
        await end_sale(self.session, models.StoreProduct.store_id == store_id, actor)

    async def _values(self, given: dict[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {name: given[name] for name in ("name", "is_active") if name in given}
        if "geom" in given:
            values["geom"] = given["geom"].ewkt
        owner = given.get("owner", UNSET)
        if owner is not UNSET:
            values["owner_id"] = owner
        if isinstance(owner, int) and not await self._user_exists(owner):
            raise Invalid.field("owner", f'Invalid pk "{owner}" - object does not exist.')
        return values

    async def _user_exists(self, user_id: int) -> bool:
        """Holds the user's row, so that it is there when the store's is written."""
        found = await self.session.execute(text("SELECT 1 FROM users WHERE id = :id FOR KEY SHARE"), {"id": user_id})
        return found.first() is not None


def _logged(store: Store) -> dict[str, Any]:
    """What of a store is logged when it changes."""
    columns = msgspec.structs.asdict(store)
    return {name: columns[name] for name in ("name", "geom", "owner", "is_active")}


async def end_sale(session: AsyncSession, condition: ColumnElement[bool], actor: Principal | None) -> None:
    """Store products that are gone from every list and read; live holds run out."""
    statement = (
        update(models.StoreProduct)
        .where(condition, models.StoreProduct.deleted_at.is_(None))
        .values(deleted_at=func.now())
        .returning(models.StoreProduct.id, models.StoreProduct.store_id, models.StoreProduct.product_id)
    )
    deeds = [
        Deed(
            object_id=row.id,
            description=f"Producto {row.product_id} quitado de la tienda {row.store_id}",
            changes={"store": [row.store_id, None], "product": [row.product_id, None]},
        )
        for row in await session.execute(statement)
    ]
    await ActivityService(session).write(actor, "delete", "storeproduct", *deeds)


def shown(row: Row[*tuple[Any, ...]]) -> Store:
    """A row of `queries.stores` as it is answered."""
    geom = GeoPoint.from_wkb(row.geom.data).geojson
    return Store(row.id, row.name, geom, row.owner_id, row.is_active, row.created_at)
