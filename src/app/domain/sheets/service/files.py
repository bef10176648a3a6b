"""The catalogue to a file and back: all rows or none, however many they are."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import msgspec
from sqlalchemy import func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Category, Product
from app.domain.catalog.schemas import ProductInput
from app.domain.catalog.service.batches import ProductBatch, ProductChange
from app.domain.catalog.service.products import tell_the_sheet
from app.domain.sheets import queries
from app.domain.sheets.rules.cells import without_markup
from app.domain.sheets.rules.files import COLUMNS, fields_of, written
from app.domain.sheets.schemas import FileRow
from app.domain.sheets.service.writing import category_known, words_of
from app.errors import Invalid
from app.http.body import build

NO_PRODUCT = "There is no such product."
TOO_MANY = "The row has more cells than there are columns."
TWICE = "The product {id} stands in row {first} already."
CHUNK = 500
# Further errors are counted alone.
MAX_ERRORS = 1000
# Any 64-bit number that nobody else takes. Two files at once would wait for each other's products in a circle.
FILES_LOCK = 6_120_944_583_017_266
# What others may have written into the file: HTML is taken out, and stays where the shop has it already.
_MARKUP = ("name", "brand")
Row = Mapping[str, str]
Progress = Callable[[], object]
T = TypeVar("T")


class Report(msgspec.Struct):
    """What an import did, or would do; with errors it did nothing. Rows are counted from 1 below the header."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    errors: list[str] = []

    def refuse(self, reasons: Mapping[int, str]) -> None:
        """Rows by their numbers, each with what is wrong with it."""
        self.refused += len(reasons)
        told = [f"row {number}: {reasons[number]}" for number in sorted(reasons)]
        self.errors += told[: MAX_ERRORS - len(self.errors)]


class StockRow(msgspec.Struct, frozen=True):
    """A row that changes a product's stock, until all rows are read."""

    pool_id: int
    number: int
    change: ProductChange


class CatalogFiles:
    """In the caller's transaction, which ends without a commit when an import's report has errors.

    Stock is written last, in the order in which orders lock it: buyers wait for that alone, and not for the whole file.
    """

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.batch = ProductBatch(session)
        self.counts: list[StockRow] = []

    async def count(self) -> int:
        """How many products an export has."""
        statement = select(func.count()).select_from(Product).where(Product.deleted_at.is_(None))
        return int((await self.session.execute(statement)).scalar_one())

    async def export(self) -> AsyncIterator[list[str]]:
        """The header and a row for each product, by id, as they are read."""
        yield list(COLUMNS)
        rows = await self.session.stream(queries.whole_products().execution_options(yield_per=CHUNK))
        async for row in rows:
            yield written(row._asdict())

    async def take(self, rows: Iterable[Row], progress: Progress = lambda: None) -> Report:
        """Create and change products as the rows say, each validated as the API validates its body. Raises BadFile."""
        report, taken = Report(), dict[int, int]()
        await self.session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FILES_LOCK})
        categories = await self._categories()
        for chunk in _chunks(enumerate(rows, start=1)):
            await self._take({number: row for number, row in chunk if row}, categories, taken, report)
            await self._note()
            progress()
        for counts in _chunks(iter(sorted(self.counts, key=lambda one: one.pool_id))):
            await self._change({one.number: one.change for one in counts}, report)
        if report.created or report.updated:
            await tell_the_sheet(self.session)
        return report

    async def _categories(self) -> dict[str, int]:
        """Ids of all categories by their names in lower case, the oldest of several; none is renamed meanwhile."""
        statement = select(func.lower(Category.name).label("name"), Category.id).order_by(Category.id.desc())
        rows = await self.session.execute(statement.with_for_update(read=True, key_share=True))
        return {row.name: row.id for row in rows}

    async def _take(
        self, rows: Mapping[int, Row], categories: Mapping[str, int], taken: dict[int, int], report: Report
    ) -> None:
        refused = {number: TOO_MANY for number, row in rows.items() if "extra" in row}
        ids = await self._products_of({n: row for n, row in rows.items() if n not in refused}, taken, refused)
        stored = await self._locked(set(ids.values()))
        new, changes = list[ProductInput](), dict[int, ProductChange]()
        for number, row in rows.items():
            try:
                if number in ids:
                    changes[number] = _change(stored[ids[number]], row, categories)
                elif number not in refused:
                    new.append(build(ProductInput, _checked(_clean(row), "POST", categories)))
            except Invalid as error:
                refused[number] = words_of(error)
        real = {number: one for number, one in changes.items() if one.values or one.units}
        later = {number for number, one in real.items() if one.units or "stock" in one.values}
        self.counts += [StockRow(stored[ids[number]].pool_id, number, real[number]) for number in later]
        report.created += len(await self.batch.create(new, None, cause="import"))
        report.unchanged += len(changes) - len(real)
        report.rows += len(rows)
        report.refuse(refused)
        await self._change({number: one for number, one in real.items() if number not in later}, report)

    async def _change(self, changes: Mapping[int, ProductChange], report: Report) -> None:
        errors = await self.batch.change(list(changes.values()), None, cause="import")
        report.refuse({n: words_of(errors[one.product_id]) for n, one in changes.items() if one.product_id in errors})
        report.updated += len(changes) - len(errors)

    async def _note(self) -> None:
        """The events of what was written are noted now: those of a whole file would take the commit too long."""
        for when in ("IMMEDIATE", "DEFERRED"):
            await self.session.execute(text(f"SET CONSTRAINTS events_of_new, events_of_changes {when}"))

    async def _products_of(
        self, rows: Mapping[int, Row], taken: dict[int, int], refused: dict[int, str]
    ) -> dict[int, int]:
        """The products that rows name by id, else by SKU, by the rows' numbers; each once."""
        named = {number: row for number, row in rows.items() if row.get("id") or row.get("sku")}
        wanted = or_(
            Product.id.in_({_id_of(row["id"]) for row in named.values() if row.get("id")}),
            Product.sku.in_({row["sku"] for row in named.values() if not row.get("id")}),
        )
        statement = select(Product.id, Product.sku).where(wanted, Product.deleted_at.is_(None))
        known = {key: row.id for row in await self.session.execute(statement) for key in (row.id, row.sku)}
        found: dict[int, int] = {}
        for number, row in named.items():
            product_id = known.get(_id_of(row["id"]) if row.get("id") else row["sku"])
            if product_id is None:
                refused[number] = NO_PRODUCT
            elif product_id in taken:
                refused[number] = TWICE.format(id=product_id, first=taken[product_id])
            else:
                found[number], taken[product_id] = product_id, number
        return found

    async def _locked(self, ids: set[int]) -> dict[int, Any]:
        """The products, which nobody else writes before this transaction ends."""
        statement = select(Product.id).where(Product.id.in_(ids)).order_by(Product.id)
        await self.session.execute(statement.with_for_update(key_share=True))
        return {row.id: row for row in await self.session.execute(queries.whole_products(ids))}


def _id_of(cell: str) -> int:
    """0, which no product has, for what is no number."""
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 19 else 0


def _checked(row: Row, method: str, categories: Mapping[str, int]) -> dict[str, Any]:
    """What the row writes. Raises Invalid."""
    return category_known(build(FileRow, fields_of(row), method).given(), categories)


def _change(stored: Any, row: Row, categories: Mapping[str, int]) -> ProductChange:
    """What differs from the stored product. A file that says what stock it was made with adds the difference to it."""
    current = stored._asdict() | {"category": stored.category_id}
    new = _clean({name: cell for name, cell in row.items() if name in _MARKUP and cell != current[name]})
    values, units, exported = _checked({**row, **new}, "PATCH", categories), 0, row.get("exported_stock", "")
    if exported.isascii() and exported.isdigit() and len(exported) < 11:
        units = int(values.pop("stock", exported)) - int(exported)
    return ProductChange(stored.id, {name: value for name, value in values.items() if current[name] != value}, units)


def _clean(row: Row) -> dict[str, str]:
    """The row without HTML where a name stands."""
    return {name: without_markup(cell) if name in _MARKUP else cell for name, cell in row.items()}


def _chunks(rows: Iterator[T]) -> Iterator[list[T]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
