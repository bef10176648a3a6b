"""Many products written in few statements: rows of the shop's spreadsheet, lines of a file."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Row, bindparam, column, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.selectable import TableValuedAlias

from app.domain.activity.rules import differences, plain
from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog.models import Category, Product, ProductOption
from app.domain.catalog.rules.names import sku_of
from app.domain.catalog.rules.prices import lowest_price
from app.domain.catalog.schemas import ProductInput
from app.domain.catalog.service.products import BELOW_ZERO, added, columns_of
from app.domain.inventory.schemas import Count, Counted
from app.domain.inventory.service import StockService
from app.errors import Invalid
from app.http.principal import Principal

FEWER_THAN_NONE = "The stock would be below 0: {free} units are free."


class ProductChange(msgspec.Struct, frozen=True):
    """What becomes of a product: fields as `ProductInput` names them, without variants and pictures.

    Of the stock either a number that is free then (`stock` among the values), or `units` more than now.
    """

    product_id: int
    values: Mapping[str, Any]
    units: int = 0


class ProductBatch:
    """Writes in the caller's transaction, as `ProductService` does one by one.

    The caller has validated what is written, has locked the categories and then the products, and tells the
    spreadsheet.
    """

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.stock = StockService(session)
        self.log = ActivityService(session)

    async def create(self, products: Sequence[ProductInput], actor: Principal | None, *, cause: str) -> list[int]:
        """Their ids, in order."""
        if not products:
            return []
        categories = await self._categories({one.category for one in products})
        pools = await self.stock.open_pools([one.stock for one in products], cause=cause)
        rows = [
            columns_of(one.given()) | {"pool_id": pool, "sku": sku_of(categories[one.category], one.brand, pool)}
            for one, pool in zip(products, pools, strict=True)
        ]
        made = await self.session.execute(insert(Product).returning(Product.pool_id, Product.id), rows)
        ids = {row.pool_id: row.id for row in made}
        deeds = [_birth(ids[pool], one, row) for one, pool, row in zip(products, pools, rows, strict=True)]
        await self.log.write(actor, "create", "product", *deeds)
        return [ids[pool] for pool in pools]

    async def change(
        self, changes: Sequence[ProductChange], actor: Principal | None, *, cause: str
    ) -> dict[int, Invalid]:
        """Why products were refused, by id: nothing of those is written, all of the others."""
        was = await self._stored([one.product_id for one in changes])
        refused = await self._too_cheap(changes)
        left = [one for one in changes if one.product_id not in refused]
        counted = await self._count(left, was, cause)
        for one in left:
            found = counted.get(one.product_id)
            if found is not None and found.after < 0:
                refused[one.product_id] = Invalid.field("stock", FEWER_THAN_NONE.format(free=found.before))
        left = [one for one in left if one.product_id not in refused]
        await self._write(left)
        deeds = [_deed(was[one.product_id], one, counted.get(one.product_id)) for one in left]
        await self.log.write(actor, "update", "product", *(deed for deed in deeds if deed.changes))
        return refused

    async def _stored(self, ids: Collection[int]) -> dict[int, Row[*tuple[Any, ...]]]:
        rows = await self.session.execute(select(*Product.__table__.c).where(Product.id.in_(ids)))
        return {row.id: row for row in rows}

    async def _categories(self, ids: Collection[int]) -> dict[int, str]:
        rows = await self.session.execute(select(Category.id, Category.name).where(Category.id.in_(ids)))
        return {row.id: row.name for row in rows}

    async def _too_cheap(self, changes: Sequence[ProductChange]) -> dict[int, Invalid]:
        """Products of which a choice of options would cost less than nothing."""
        prices = {one.product_id: one.values["price"] for one in changes if "price" in one.values}
        found: dict[int, dict[str, list[Any]]] = {}
        columns = ProductOption.product_id, ProductOption.variant_name, ProductOption.price_adjustment
        for row in await self.session.execute(select(*columns).where(ProductOption.product_id.in_(prices))):
            found.setdefault(row.product_id, {}).setdefault(row.variant_name, []).append(row.price_adjustment)
        return {
            product_id: Invalid.field("variants", BELOW_ZERO)
            for product_id, variants in found.items()
            if lowest_price(prices[product_id], variants.values()) < 0
        }

    async def _count(self, changes: Iterable[ProductChange], was: Mapping[int, Any], cause: str) -> dict[int, Counted]:
        """What was free and is, by product, of those whose stock is written."""
        pools = {was[one.product_id].pool_id: one for one in changes if "stock" in one.values or one.units}
        if not pools:
            return {}
        counts = [
            Count(
                pool,
                one.values.get("stock", one.units),
                f"{cause}: product {one.product_id}",
                more="stock" not in one.values,
            )
            for pool, one in pools.items()
        ]
        return {pools[pool].product_id: found for pool, found in (await self.stock.count(counts)).items()}

    async def _write(self, changes: Iterable[ProductChange]) -> None:
        """One statement for all products of which the same columns change: of one whose units moved, its time."""
        kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for one in changes:
            if one.values or one.units:
                columns = columns_of({name: value for name, value in one.values.items() if name != "stock"})
                kinds.setdefault(tuple(sorted(columns)), []).append({"id": one.product_id} | plain(columns))
        for names, rows in kinds.items():
            new = _recordset(names)
            values = {name: new.c[name] for name in names} | {"updated_at": func.clock_timestamp()}
            statement = update(Product).where(Product.id == new.c.id).values(values)
            await self.session.execute(statement.execution_options(synchronize_session=False), {"rows": rows})


def _recordset(names: Iterable[str]) -> TableValuedAlias:
    columns = [column("id", BigInteger), *(column(name, Product.__table__.c[name].type) for name in names)]
    rows = func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
    return rows.table_valued(*columns).render_derived(name="new", with_types=True)


def _birth(product_id: int, data: ProductInput, row: Mapping[str, Any]) -> Deed:
    written = {name: value for name, value in row.items() if name != "pool_id"} | {"stock": data.stock}
    return Deed(object_id=product_id, description=f"Nuevo producto creado: {data.name}", changes=added(written))


def _deed(was: Row[*tuple[Any, ...]], change: ProductChange, counted: Counted | None) -> Deed:
    after = columns_of({name: value for name, value in change.values.items() if name != "stock"})
    before = {name: getattr(was, name) for name in after}
    if counted is not None:
        before["stock"], after["stock"] = counted.before, counted.after
    description = f"Producto actualizado: {after.get('name', was.name)}"
    return Deed(object_id=was.id, description=description, changes=differences(before, after))
