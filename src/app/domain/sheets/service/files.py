"""The catalogue to a file and back: all rows or none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from app.domain.catalog.schemas import ProductInput
from app.domain.catalog.service.products import ProductService, tell_the_sheet
from app.domain.sheets import queries
from app.domain.sheets.rules.files import COLUMNS, BadFile, fields_of, written
from app.domain.sheets.schemas import FileRow
from app.domain.sheets.service.writing import RowWriter, words_of
from app.errors import Invalid
from app.http.body import build

NO_PRODUCT = "There is no such product."
TOO_MANY = "The row has more cells than there are columns."
Progress = Callable[[int, int], None]


class Report(msgspec.Struct):
    """What an import did, or would do; with errors it did nothing. Rows are counted from 1 below the header."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[str] = []


class CatalogFiles:
    """In the caller's transaction, which ends without a commit when an import's report has errors."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.products = ProductService(session, quiet=True)
        self.writer = RowWriter(session, None)

    async def export(self) -> list[list[str]]:
        """The header and a row for each product, by id."""
        rows = await self.session.execute(queries.whole_products())
        return [list(COLUMNS), *(written(row._asdict()) for row in rows)]

    async def take(self, rows: Sequence[Mapping[str, str]], progress: Progress = lambda *_: None) -> Report:
        """Create and change products as the rows say, each validated as the API validates its body."""
        report, taken = Report(), dict[int, int]()
        for number, row in enumerate(rows, start=1):
            try:
                async with self.session.begin_nested():
                    await self._take(row, number, taken, report)
            except (Invalid, BadFile) as error:
                words = words_of(error) if isinstance(error, Invalid) else str(error)
                report.errors.append(f"row {number}: {words}")
            progress(number, len(rows))
        if report.created or report.updated:
            await tell_the_sheet(self.session)
        return report

    async def _take(self, row: Mapping[str, str], number: int, taken: dict[int, int], report: Report) -> None:
        if "extra" in row:
            raise BadFile(TOO_MANY)
        fields = fields_of(row)
        product_id = await self._product_of(row)
        if product_id is None:
            await self.products.create(build(ProductInput, await self._checked(fields, "POST")), None)
            report.created += 1
            return
        if product_id in taken:
            raise BadFile(f"The product {product_id} stands in row {taken[product_id]} already.")
        taken[product_id] = number
        await self._change(product_id, fields, row.get("exported_stock", ""), report)

    async def _change(self, product_id: int, fields: dict[str, str], exported: str, report: Report) -> None:
        values = await self._checked(fields, "PATCH")
        await self.products.lock(product_id, values)
        stored = (await self.session.execute(queries.whole_products(product_id))).one()
        current = stored._asdict() | {"category": stored.category_id}
        units = _difference(values, exported)
        changes = {name: value for name, value in values.items() if current[name] != value}
        if changes:
            await self.products.change(product_id, build(ProductInput, changes, "PATCH"), None)
        if units:
            await self.writer.add(stored, units, cause=f"import: product {product_id}")
        report.updated += bool(changes or units)
        report.unchanged += not (changes or units)

    async def _checked(self, fields: Mapping[str, str], method: str) -> dict[str, Any]:
        values = build(FileRow, fields, method).given()
        if "category" in values:
            values["category"] = await self.writer.category(values["category"])
        return values

    async def _product_of(self, row: Mapping[str, str]) -> int | None:
        """The product that a row names by its id, else by its SKU; None for a row that names none."""
        if number := row.get("id", ""):
            known = Product.id == (int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0)
        elif sku := row.get("sku", ""):
            known = Product.sku == sku
        else:
            return None
        statement = select(Product.id).where(known, Product.deleted_at.is_(None))
        found: int | None = (await self.session.execute(statement)).scalar_one_or_none()
        if found is None:
            raise BadFile(NO_PRODUCT)
        return found


def _difference(values: dict[str, Any], exported: str) -> int:
    """Units to add, out of the values of a file that says what it was made with; else the stock stays among them."""
    if not (exported.isascii() and exported.isdigit() and len(exported) < 11):
        return 0
    return int(values.pop("stock", exported)) - int(exported)
