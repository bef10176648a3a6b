"""What a row of the sheet changes in the shop: validated like the API's input, logged like staff's writes."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog.models import Category, Product
from app.domain.catalog.schemas import ProductInput
from app.domain.catalog.service.products import ProductService
from app.domain.inventory.service import NotEnough, StockService
from app.domain.sheets import queries
from app.domain.sheets.rules.cells import FIELDS, without_markup
from app.domain.sheets.schemas import RowInput
from app.errors import Invalid
from app.http.body import build
from app.http.principal import Principal

UNKNOWN_CATEGORY = "There is no category of this name."
BELOW_ZERO = "The stock would be below 0: {free} units are free."
_MARKUP = ("name", "brand", "category")


class RowWriter:
    """Writes to the shop in the caller's transaction, logged as the `actor`'s."""

    def __init__(self, session: AsyncSession, actor: Principal | None) -> None:
        self.session = session
        self.actor = actor
        self.products = ProductService(session)
        self.stock = StockService(session)
        self.log = ActivityService(session)

    async def create(self, texts: Mapping[str, str]) -> int:
        """A product of a new row; its id. Raises Invalid under the headings of the cells."""
        filled = {field: text for field, text in _clean(texts).items() if text}
        values = await self._checked(filled, "POST")
        return await self.products.create(build(ProductInput, values), self.actor)

    async def change(self, row: Row[Any], texts: Mapping[str, str], fields: Collection[str], base: int | None) -> None:
        """Take fields from the sheet. `base` is the stock that the sheet said last: its difference to the cell is
        added to what is free. Where it never said any, so many are free as the cell says. Raises Invalid.
        """
        values = await self._checked({field: _clean(texts)[field] for field in fields}, "PATCH")
        units = 0 if base is None else values.pop("stock", base) - base
        if values:
            await self.products.change(row.id, build(ProductInput, values, "PATCH"), self.actor)
        if units:
            await self.add(row, units, cause=f"sheet: product {row.id}")

    async def written_at(self, product_id: int, field: str) -> dt.datetime | None:
        """When a field was last written on this side."""
        name = "category_id" if field == "category" else field
        found = await self.session.execute(queries.FIELD_WRITTEN, {"product": str(product_id), "field": name})
        at: dt.datetime | None = found.scalar_one()
        return at

    async def add(self, row: Row[Any], units: int, *, cause: str) -> None:
        """Add units to what is free of a product, or take them for less than 0. Raises Invalid."""
        try:
            free = await self.stock.add(row.pool_id, units, cause=cause)
        except NotEnough as short:
            raise Invalid.field(FIELDS["stock"], BELOW_ZERO.format(free=short.free)) from short
        changes = {"stock": [free, free + units]}
        deed = Deed(object_id=row.id, description=f"Producto actualizado: {row.name}", changes=changes)
        await self.log.write(self.actor, "update", "product", deed)

    async def _checked(self, texts: Mapping[str, str], method: str) -> dict[str, Any]:
        """Values as ProductInput takes them. Raises Invalid under the headings."""
        try:
            values = build(RowInput, texts, method).given()
            if "category" in values:
                values["category"] = await self.category(values["category"])
        except Invalid as error:
            fields = error.fields or {}
            raise Invalid({FIELDS.get(name, name): messages for name, messages in fields.items()}) from error
        return values

    async def category(self, name: str) -> int:
        """The id of a category by its name, in any case. Raises Invalid."""
        statement = select(Category.id).where(func.lower(Category.name) == name.lower()).order_by(Category.id).limit(1)
        found: int | None = (await self.session.execute(statement)).scalar_one_or_none()
        if found is None:
            raise Invalid.field("category", UNKNOWN_CATEGORY)
        return found


def _clean(texts: Mapping[str, str]) -> dict[str, str]:
    return {field: without_markup(text) if field in _MARKUP else text for field, text in texts.items()}


def words_of(error: Invalid) -> str:
    """An error's messages in one line: `Precio: A valid number is required.`"""
    if error.fields is None:
        return error.message
    parts = (f"{name}: {' '.join(map(str, found))}" for name, found in error.fields.items())
    return "; ".join(part.removeprefix("non_field_errors: ") for part in parts)


def stamp_time(stamp: str) -> dt.datetime | None:
    """The instant that the column of stamps names, if it names one."""
    try:
        at = dt.datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


async def lock_products(session: AsyncSession, ids: Collection[int], categories: Collection[str]) -> None:
    """Keep other writers of these products away until the transaction ends.

    The categories that they may come to are taken first, as a renaming comes from them to their products.
    """
    named = func.lower(Category.name).in_({without_markup(name).lower() for name in categories})
    taken = select(Category.id).where(named).order_by(Category.id)
    await session.execute(taken.with_for_update(read=True, key_share=True))
    statement = select(Product.id).where(Product.id.in_(ids)).order_by(Product.id)
    await session.execute(statement.with_for_update(key_share=True))
