"""What a row of the sheet changes in the shop: validated like the API's input, logged like staff's writes."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Category, Product
from app.domain.catalog.schemas import ProductInput
from app.domain.catalog.service.batches import ProductBatch, ProductChange
from app.domain.sheets import queries
from app.domain.sheets.rules.cells import FIELDS, without_markup
from app.domain.sheets.schemas import RowInput
from app.errors import Invalid
from app.http.body import build
from app.http.principal import Principal

UNKNOWN_CATEGORY = "There is no category of this name."
_MARKUP = ("name", "brand", "category")


class RowChange(msgspec.Struct, frozen=True):
    """Fields that a product takes from its row. `base` is the stock that the row said last: its difference to the cell
    is added to what is free. Where it never said any, so many are free as the cell says.
    """

    product_id: int
    texts: Mapping[str, str]
    fields: Collection[str]
    base: int | None


class RowWriter:
    """Writes to the shop in the caller's transaction, logged as the `actor`'s. The caller has locked the products."""

    def __init__(self, session: AsyncSession, actor: Principal | None) -> None:
        self.session = session
        self.actor = actor
        self.products = ProductBatch(session)

    async def create(self, rows: Sequence[Mapping[str, str]]) -> list[int | Invalid]:
        """For each new row its product's id, or why it is refused, under the headings of the cells."""
        filled = [{field: text for field, text in _clean(texts).items() if text} for texts in rows]
        categories = await self.categories(texts["category"] for texts in filled if "category" in texts)
        found = [_validated(texts, "POST", categories) for texts in filled]
        sound = [build(ProductInput, values) for values in found if not isinstance(values, Invalid)]
        made = iter(await self.products.create(sound, self.actor, cause="sheet"))
        return [values if isinstance(values, Invalid) else next(made) for values in found]

    async def change(self, rows: Sequence[RowChange]) -> dict[int, Invalid]:
        """Take fields from the sheet; why products were refused, by id, under the headings of the cells."""
        clean = {row.product_id: _clean(row.texts) for row in rows}
        categories = await self.categories(
            clean[row.product_id]["category"] for row in rows if "category" in row.fields
        )
        refused, changes = dict[int, Invalid](), []
        for row in rows:
            values = _validated({name: clean[row.product_id][name] for name in row.fields}, "PATCH", categories)
            if isinstance(values, Invalid):
                refused[row.product_id] = values
                continue
            units = 0 if row.base is None else values.pop("stock", row.base) - row.base
            changes.append(ProductChange(row.product_id, values, units))
        found = await self.products.change(changes, self.actor, cause="sheet")
        return refused | {product_id: _under_headings(error) for product_id, error in found.items()}

    async def written_at(self, fields: Iterable[tuple[int, str]]) -> dict[tuple[int, str], dt.datetime]:
        """When fields of products were last written on this side."""
        wanted = [(str(product_id), "category_id" if name == "category" else name) for product_id, name in fields]
        if not wanted:
            return {}
        products, names = zip(*wanted, strict=True)
        rows = await self.session.execute(queries.FIELDS_WRITTEN, {"products": list(products), "fields": list(names)})
        return {(int(row.product), "category" if row.field == "category_id" else row.field): row.at for row in rows}

    async def categories(self, names: Iterable[str]) -> dict[str, int]:
        """Ids of categories by their names in lower case; the oldest of several."""
        lower = func.lower(Category.name)
        statement = (
            select(lower.label("name"), func.min(Category.id).label("id"))
            .where(lower.in_({name.lower() for name in names}))
            .group_by(lower)
        )
        return {row.name: row.id for row in await self.session.execute(statement)}


def _validated(texts: Mapping[str, str], method: str, categories: Mapping[str, int]) -> dict[str, Any] | Invalid:
    """Values as ProductInput takes them."""
    try:
        return category_known(build(RowInput, texts, method).given(), categories)
    except Invalid as error:
        return _under_headings(error)


def category_known(values: dict[str, Any], categories: Mapping[str, int]) -> dict[str, Any]:
    """The values with the category's id instead of its name. Raises Invalid."""
    if "category" in values:
        found = categories.get(values["category"].lower())
        if found is None:
            raise Invalid.field("category", UNKNOWN_CATEGORY)
        values["category"] = found
    return values


def _under_headings(error: Invalid) -> Invalid:
    return Invalid({FIELDS.get(name, name): messages for name, messages in (error.fields or {}).items()})


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
