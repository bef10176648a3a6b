"""Products: their fields, their stock, the options of their variants. What a shopper sees is the storefront's."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import clock
from app.domain.activity.rules import differences
from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog.models import Category, Product
from app.domain.catalog.rules.names import sku_of
from app.domain.catalog.rules.prices import lowest_price
from app.domain.catalog.schemas import ProductInput, VariantsInput
from app.domain.catalog.service.options import OptionService
from app.domain.catalog.service.pictures import PictureStore, Taken, let_go
from app.domain.inventory.service import StockService
from app.errors import Invalid, NotFound, PreconditionFailed
from app.http.forms import FormFile
from app.http.principal import Principal
from app.jobs.queue import defer

PUSH = "sheets:push"
# Writes that come together go to the sheet together: Google counts the calls.
SOON = dt.timedelta(seconds=2)
BELOW_ZERO = "With these price adjustments a choice would cost less than nothing."
# Fields that are columns of the same name.
_PLAIN = (
    "name",
    "brand",
    "description",
    "price",
    "currency",
    "discount",
    "has_variants",
    "volume",
    "dimensions",
    "is_available",
    "has_special_promotion",
)
_PICTURES = ("image", "image_2")
_COLUMNS = (*_PLAIN, "category_id", "special_promotion_name", *_PICTURES)


class SeenStock(msgspec.Struct, frozen=True):
    """The stock that a client read before it wrote: the product's, and each option's by (variant, option)."""

    base: int
    options: dict[tuple[str, str], int]


class ProductService:
    """Writes products in the caller's transaction. Who brings no pictures needs no store for them."""

    def __init__(self, session: AsyncSession, pictures: PictureStore | None = None) -> None:
        self.session = session
        self.pictures = pictures
        self.taken: dict[str, Taken] | None = None
        self.stock = StockService(session)
        self.options = OptionService(session)
        self.log = ActivityService(session)

    async def take_pictures(self, data: ProductInput) -> None:
        """Encode and upload what was sent, before anything is read or written: it may take a while.

        Whoever locks the product first calls this before it; `create` and `change` do it themselves otherwise.
        """
        files = {field: file for field in _PICTURES if isinstance(file := getattr(data, field), FormFile)}
        self.taken = {}
        if files:
            await self.session.close()
            self.taken = await self._store().take(files)

    async def create(self, data: ProductInput, actor: Principal | None) -> int:
        """The new product's id. Raises Invalid, PictureHostDown."""
        if self.taken is None:
            await self.take_pictures(data)
        check_prices(data.price, data.variants)
        category = await self._category(data.category)
        values = columns_of(data.given()) | await self._pictures(data.given())
        pool_id = await self.stock.open_pool(data.stock, cause=f"new product {data.name}")
        # The pool's number is this product's alone, and known before the row is.
        sku = sku_of(category, data.brand, pool_id)
        statement = insert(Product).values(sku=sku, pool_id=pool_id, **values).returning(Product.id)
        product_id: int = (await self.session.execute(statement)).scalar_one()
        await self.options.write(product_id, data.variants)
        written = values | {"sku": sku, "stock": data.stock, "variants": data.variants.items}
        deed = Deed(object_id=product_id, description=f"Nuevo producto creado: {data.name}", changes=added(written))
        await self.log.write(actor, "create", "product", deed)
        await tell_the_sheet(self.session)
        return product_id

    async def lock(self, product_id: int, given: Mapping[str, Any]) -> None:
        """Keep other writers of the product away until the transaction ends, which writes what is given.

        Raises NotFound, Invalid.
        """
        await self._locked_with_category(product_id, given)

    async def change(
        self, product_id: int, data: ProductInput, actor: Principal | None, seen: SeenStock | None = None
    ) -> None:
        """Writes what was sent. Raises NotFound, Invalid, PictureHostDown, PreconditionFailed (stock not as seen)."""
        given = data.given()
        if self.taken is None:
            await self.take_pictures(data)
        was = await self._locked_with_category(product_id, given)
        if not given:
            return
        variants: VariantsInput | None = given.get("variants")
        stored = await self.options.stored(product_id)
        check_prices(given.get("price", was.price), variants or stored)
        before, after = was._asdict(), {}
        if "stock" in given:
            before["stock"] = await self._set_stock(was.pool_id, given["stock"], product_id, seen)
            after["stock"] = given["stock"]
        if variants is not None:
            await self.options.write(product_id, variants, None if seen is None else seen.options)
            before["variants"], after["variants"] = stored.items, variants.items
        values = columns_of(given) | await self._pictures(given)
        await self.session.execute(
            update(Product).where(Product.id == product_id).values(updated_at=func.clock_timestamp(), **values)
        )
        await self._let_go_of_pictures(before, values)
        await self._tell_of_change(product_id, before, after | values, actor)

    async def delete(self, product_id: int, actor: Principal | None) -> str:
        """The product is gone from every list and read; its row stays. Returns its name. Raises NotFound."""
        statement = (
            update(Product)
            .where(Product.id == product_id, Product.deleted_at.is_(None))
            .values(deleted_at=func.now())
            .returning(Product.name)
        )
        name: str | None = (await self.session.execute(statement)).scalar_one_or_none()
        if name is None:
            raise NotFound
        description = f"Producto '{name}' eliminado exitosamente"
        deed = Deed(object_id=product_id, description=description, changes={"name": [name, None]})
        await self.log.write(actor, "delete", "product", deed)
        await tell_the_sheet(self.session)
        return name

    async def _tell_of_change(
        self, product_id: int, before: Mapping[str, Any], after: Mapping[str, Any], actor: Principal | None
    ) -> None:
        """The log and the spreadsheet."""
        if changes := differences({name: before[name] for name in after}, after):
            description = f"Producto actualizado: {after.get('name', before['name'])}"
            deed = Deed(object_id=product_id, description=description, changes=changes)
            await self.log.write(actor, "update", "product", deed)
        await tell_the_sheet(self.session)

    async def _locked(self, product_id: int) -> Row[*tuple[Any, ...]]:
        statement = (
            select(Product.pool_id, *(getattr(Product, name) for name in _COLUMNS))
            .where(Product.id == product_id, Product.deleted_at.is_(None))
            .with_for_update(key_share=True)
        )
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound
        return row

    async def _locked_with_category(self, product_id: int, given: Mapping[str, Any]) -> Row[*tuple[Any, ...]]:
        """A category before its products, as its renaming takes them. Raises NotFound, Invalid."""
        category = await self._category_name(given["category"]) if "category" in given else ""
        was = await self._locked(product_id)
        if category is None:
            raise _no_category(given["category"])
        return was

    async def _category(self, category_id: int) -> str:
        """The category's name. Raises Invalid."""
        name = await self._category_name(category_id)
        if name is None:
            raise _no_category(category_id)
        return name

    async def _category_name(self, category_id: int) -> str | None:
        """The name of a category, which cannot be deleted or renamed before this transaction ends."""
        statement = select(Category.name).where(Category.id == category_id)
        name: str | None = (
            await self.session.execute(statement.with_for_update(read=True, key_share=True))
        ).scalar_one_or_none()
        return name

    async def _pictures(self, given: dict[str, Any]) -> dict[str, str | None]:
        """The columns of the pictures that were sent: a name for a file, which is stored, and None for none."""
        taken = self.taken or {}
        sent = [field for field in _PICTURES if field in given]
        return {f: await self._store().keep(self.session, taken[f]) if f in taken else None for f in sent}

    def _store(self) -> PictureStore:
        if self.pictures is None:
            raise RuntimeError("pictures were sent where none are taken")
        return self.pictures

    async def _let_go_of_pictures(self, before: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        shown = {values.get(field, before[field]) for field in _PICTURES}
        await let_go(self.session, [before[f] for f in _PICTURES if before[f] and before[f] not in shown])

    async def _set_stock(self, pool_id: int, units: int, product_id: int, seen: SeenStock | None) -> int:
        """What was free before."""
        difference = await self.stock.set_free(pool_id, units, cause=f"product {product_id} edited")
        if seen is not None and difference != units - seen.base:
            raise PreconditionFailed
        return units - difference


async def tell_the_sheet(session: AsyncSession) -> None:
    """The shop's spreadsheet follows; one job for all that changed until it runs.

    Last of all in a transaction that writes many products: others who write products wait from then on until it ends.
    """
    await defer(session, PUSH, queueing_lock=PUSH, schedule_at=clock.now() + SOON)


def added(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What a new product has, as changes; what nobody gave a value is not among them."""
    return {name: change for name, change in differences({}, values).items() if change[1] not in ("", ())}


def columns_of(given: dict[str, Any]) -> dict[str, Any]:
    values = {name: given[name] for name in _PLAIN if name in given}
    if "category" in given:
        values["category_id"] = given["category"]
    if "special_promotion_name" in given:
        values["special_promotion_name"] = given["special_promotion_name"] or ""
    return values


def _no_category(category_id: int) -> Invalid:
    return Invalid.field("category", f'Invalid pk "{category_id}" - object does not exist.')


def check_prices(price: Any, variants: VariantsInput) -> None:
    if lowest_price(price, variants.adjustments) < 0:
        raise Invalid.field("variants", BELOW_ZERO)
