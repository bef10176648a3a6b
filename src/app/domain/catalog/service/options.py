"""The options of a product's variants, each with a pool of its own."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import UNSET
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import ProductOption
from app.domain.catalog.schemas import OptionInput, VariantInput, VariantsInput
from app.domain.inventory.service import StockService
from app.errors import PreconditionFailed

Choice = tuple[str, str]
OptionRow = Row[int, str, str, Decimal, int]


class OptionService:
    """Reads and writes options in the caller's transaction, which holds the product's lock."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.stock = StockService(session)

    async def stored(self, product_id: int) -> VariantsInput:
        """The variants as they could be sent again, without stock."""
        grouped: dict[str, list[OptionInput]] = {}
        for row in await self._rows(product_id):
            option = OptionInput(name=row.name, price_adjustment=row.price_adjustment)
            grouped.setdefault(row.variant_name, []).append(option)
        items = [VariantInput(variant_name=name, options=options) for name, options in grouped.items()]
        return VariantsInput(tuple(items))

    async def write(self, product_id: int, variants: VariantsInput, seen: Mapping[Choice, int] | None = None) -> None:
        """Make the variants those given: an option that is known by its names keeps its pool, one left out goes.

        Raises PreconditionFailed when a written option's stock is not as it was seen.
        """
        known = {(row.variant_name, row.name): row for row in await self._rows(product_id)}
        for place, variant in enumerate(variants.items):
            for position, option in enumerate(variant.options):
                row = known.pop((variant.variant_name, option.name), None)
                values = {
                    "variant_position": place,
                    "position": position,
                    "price_adjustment": option.price_adjustment,
                }
                if row is None:
                    await self._add(product_id, variant.variant_name, option, values)
                else:
                    await self._keep(row, option, values, seen)
        await self._remove(list(known.values()))

    async def _rows(self, product_id: int) -> list[OptionRow]:
        columns = ProductOption.id, ProductOption.variant_name, ProductOption.name, ProductOption.price_adjustment
        statement = (
            select(*columns, ProductOption.pool_id)
            .where(ProductOption.product_id == product_id)
            .order_by(ProductOption.variant_position, ProductOption.position, ProductOption.id)
        )
        return list((await self.session.execute(statement)).all())

    async def _add(self, product_id: int, variant_name: str, option: OptionInput, values: dict[str, object]) -> None:
        units = 0 if option.stock is UNSET else option.stock
        pool_id = await self.stock.open_pool(units, cause=f"product {product_id} {variant_name}: {option.name}")
        names = {"product_id": product_id, "variant_name": variant_name, "name": option.name}
        await self.session.execute(insert(ProductOption).values(pool_id=pool_id, **names, **values))

    async def _keep(
        self,
        row: OptionRow,
        option: OptionInput,
        values: dict[str, object],
        seen: Mapping[Choice, int] | None,
    ) -> None:
        await self.session.execute(update(ProductOption).where(ProductOption.id == row.id).values(values))
        if option.stock is UNSET:
            return
        difference = await self.stock.set_free(row.pool_id, option.stock, cause=f"option {row.id} edited")
        if seen is not None and difference != option.stock - seen.get((row.variant_name, row.name), 0):
            raise PreconditionFailed

    async def _remove(self, rows: list[OptionRow]) -> None:
        """The pools stay for the ledger and for orders, empty."""
        for row in rows:
            await self.stock.set_free(row.pool_id, 0, cause=f"option {row.id} removed")
        if rows:
            await self.session.execute(delete(ProductOption).where(ProductOption.id.in_([row.id for row in rows])))
