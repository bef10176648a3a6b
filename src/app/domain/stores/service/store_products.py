"""What stores sell: price and stock of a product in a store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.failures import constraint_of
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog.models import Product
from app.domain.inventory.rules import CONTENDED_SLOTS
from app.domain.inventory.service import StockService
from app.domain.stores import models, queries
from app.domain.stores.schemas import StoreProduct, StoreProductInput
from app.domain.stores.service.stores import StoreService, end_sale
from app.errors import Invalid, NotFound, PreconditionFailed
from app.http.principal import Principal

TWICE = "The fields store, product must make a unique set."
Check = Callable[[StoreProduct], None]
_UNIQUE = "uq_store_product_store_id_product_id"


class StoreProductService:
    """Reads and writes store products in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.stock = StockService(session)
        self.stores = StoreService(session)
        self.log = ActivityService(session)

    async def all(self, store: int | None, product: int | None) -> list[StoreProduct]:
        """Every store product, or those of a store or a product."""
        return [shown(row) for row in await self.session.execute(self.listed(store, product))]

    @staticmethod
    def listed(store: int | None, product: int | None) -> queries.ReadStatement:
        """The statement behind the list, for paging."""
        statement = queries.store_products()
        if store is not None:
            statement = statement.where(models.StoreProduct.store_id == store)
        if product is not None:
            statement = statement.where(models.StoreProduct.product_id == product)
        return statement

    async def get(self, item_id: int) -> StoreProduct:
        """Raises NotFound."""
        rows = await self.session.execute(queries.store_products().where(models.StoreProduct.id == item_id))
        row = rows.one_or_none()
        if row is None:
            raise NotFound
        return shown(row)

    async def check_rights(self, item_id: int, user: Principal) -> None:
        """Staff and the owner of its store may change it. Raises NotFound, Forbidden."""
        await self.stores.check_rights((await self.get(item_id)).store, user)

    async def create(self, data: StoreProductInput, user: Principal) -> StoreProduct:
        """Opens a pool for its stock. Raises Invalid (unknown store or product, a second one), Forbidden."""
        await self._check_ends({"store": data.store, "product": data.product}, user)
        pool_id = await self.stock.open_pool(
            data.stock, slots=CONTENDED_SLOTS, cause=f"product {data.product} in store {data.store}"
        )
        values = {"store_id": data.store, "product_id": data.product, "base_price": data.base_price}
        statement = insert(models.StoreProduct).values(pool_id=pool_id, **values).returning(models.StoreProduct.id)
        with _once():
            item_id: int = (await self.session.execute(statement)).scalar_one()
        item = await self.get(item_id)
        changes = differences({"id": item_id}, msgspec.structs.asdict(item))
        description = f"Producto {item.product} agregado a la tienda {item.store}"
        deed = Deed(object_id=item_id, description=description, changes=changes)
        await self.log.write(user, "create", "storeproduct", deed)
        return item

    async def change(
        self, item_id: int, data: StoreProductInput, user: Principal, check: Check | None = None
    ) -> StoreProduct:
        """Writes what was sent. Raises NotFound, Forbidden, Invalid.

        `check` gets the store product as it stands, locked, and may raise; what it saw is then what is overwritten, or
        PreconditionFailed is raised, since buyers change the stock without that lock.
        """
        given = data.given()
        await self.check_rights(item_id, user)
        await self._check_ends({name: given[name] for name in ("store", "product") if name in given}, user)
        pool_id = await self._locked_pool(item_id)
        seen = await self.get(item_id)
        if check is not None:
            check(seen)
        columns = {"store": "store_id", "product": "product_id", "base_price": "base_price"}
        if values := {columns[name]: value for name, value in given.items() if name in columns}:
            with _once():
                statement = update(models.StoreProduct).where(models.StoreProduct.id == item_id).values(values)
                await self.session.execute(statement)
        before = {name: getattr(seen, name) for name in given}
        if "stock" in given:
            difference = await self.stock.set_free(pool_id, data.stock, cause=f"store product {item_id} edited")
            if check is not None and difference != data.stock - seen.stock:
                raise PreconditionFailed
            before["stock"] = data.stock - difference
        await self._log_change(item_id, before, given, user)
        return await self.get(item_id)

    async def delete(self, item_id: int, user: Principal) -> None:
        """Gone from every list and read; live holds run out. Raises NotFound, Forbidden."""
        await self.check_rights(item_id, user)
        await end_sale(self.session, models.StoreProduct.id == item_id, user)

    async def delete_of_product(self, product_id: int, actor: Principal | None) -> None:
        """A product that is gone is gone from every store."""
        await end_sale(self.session, models.StoreProduct.product_id == product_id, actor)

    async def _log_change(self, item_id: int, before: dict[str, Any], after: dict[str, Any], actor: Principal) -> None:
        if changes := differences(before, after):
            deed = Deed(object_id=item_id, description=f"Producto de tienda actualizado: {item_id}", changes=changes)
            await self.log.write(actor, "update", "storeproduct", deed)

    async def _locked_pool(self, item_id: int) -> int:
        statement = (
            select(models.StoreProduct.pool_id)
            .where(models.StoreProduct.id == item_id, models.StoreProduct.deleted_at.is_(None))
            .with_for_update(key_share=True)
        )
        pool_id: int | None = (await self.session.execute(statement)).scalar_one_or_none()
        if pool_id is None:
            raise NotFound
        return pool_id

    async def _check_ends(self, ends: dict[str, int], user: Principal) -> None:
        """The store and the product exist, stay until the transaction ends, and the store may be written by the user.

        Stores before products before store products: everybody who locks several takes them in this order.
        """
        errors: dict[str, list[str]] = {}
        for name, table in (("store", models.Store), ("product", Product)):
            if name not in ends:
                continue
            statement = select(table.id).where(table.id == ends[name], table.deleted_at.is_(None))
            if (await self.session.execute(statement.with_for_update(read=True))).first() is None:
                errors[name] = [f'Invalid pk "{ends[name]}" - object does not exist.']
        if errors:
            raise Invalid(errors)
        if "store" in ends:
            await self.stores.check_rights(ends["store"], user)


@contextmanager
def _once() -> Iterator[None]:
    """The loser of two equal writes at once is told what a later writer would be told."""
    try:
        yield
    except IntegrityError as error:
        if constraint_of(error) == _UNIQUE:
            raise Invalid.whole(TWICE) from error
        raise


def shown(row: Row[*tuple[Any, ...]]) -> StoreProduct:
    """A row of `queries.store_products` as it is answered."""
    return StoreProduct(row.id, row.store_id, row.product_id, row.stock, row.base_price)
