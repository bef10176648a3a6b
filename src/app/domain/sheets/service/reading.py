"""How shop and sheet compare, and taking a product out of the sheet."""

import asyncio
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clients.errors import ProviderError
from app.clients.google_sheets import SheetsClient
from app.domain.activity.service import ActivityService, Deed
from app.domain.catalog.models import Product
from app.domain.sheets import queries
from app.domain.sheets.models import SheetRow
from app.domain.sheets.rules.cells import FIELDS, LAST_COLUMN, TAB
from app.domain.sheets.schemas import SyncStatus, Validation
from app.domain.sheets.service import records
from app.domain.sheets.service.engine import CALLER_SECONDS, SheetsOff, answer_to
from app.domain.sheets.service.matching import match
from app.domain.sheets.service.runs import RunStore, Tally, note
from app.domain.sheets.service.table import Line, Table, WrongTable, read_table
from app.errors import NotFound
from app.http.principal import Principal


class SheetDesk:
    """Opens and ends its own transactions, none of them while Google is asked."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], client: SheetsClient) -> None:
        self._sessions = sessions
        self._client = client

    async def status(self) -> SyncStatus:
        async with self._sessions() as session:
            row = (await session.execute(queries.STATUS)).one()
        pending = row.total - row.synced - row.excluded
        return SyncStatus(self._client.configured, row.total, row.synced, max(pending, 0), row.last_sync)

    async def validate(self) -> Validation:
        """Every row against its product. Raises SheetsOff, SheetRefused, ProviderDown."""
        table = await self._table()
        async with self._sessions() as session:
            index = (await session.execute(queries.index())).all()
            stored = {row.id: row for row in await session.execute(queries.products())}
        found = match(table, index, None)
        differences: list[dict[str, Any]] = []
        for product_id, line in found.known:
            if product_id in stored:
                differences += _differences(stored[product_id], line)
        strangers = [line.sku or line.id for line in found.strangers]
        return Validation(not (found.missing or strangers or differences), found.missing, strangers, differences)

    async def remove(self, product_id: int, actor: Principal) -> str:
        """The product's row is emptied and stays so until the product is synchronised by itself; its name.

        Raises NotFound for a product that is not there, SheetsOff, SyncRunning, SheetRefused, ProviderDown.
        """
        name, sku = await self._names_of(product_id)
        if not self._client.configured:
            raise SheetsOff
        # A run that has read the sheet would write the row again.
        async with RunStore(self._sessions).alone(product_id, actor) as (run_id, owner):
            lines = [line for line in (await self._table()).lines if _is_of(line, product_id, sku)]
            if lines:
                await self._clear(lines)
            empty = dict.fromkeys(("row_number", "seen", "writing", "synced_at"))
            async with self._sessions() as session, session.begin():
                await records.remember(session, product_id, **empty, awaits_id=False, excluded=True)
                await records.unmark(session, product_id)
                deed = Deed(object_id=product_id, description=f"Producto '{name}' quitado de la hoja")
                await ActivityService(session).write(actor, "delete", "sheet", deed)
                await note(session, run_id, owner, Tally(total=1, done=1))
        return name

    async def row_number(self, product_id: int) -> int | None:
        """The product's row in the sheet."""
        statement = select(SheetRow.row_number).where(SheetRow.product_id == product_id)
        async with self._sessions() as session:
            number: int | None = (await session.execute(statement)).scalar_one_or_none()
        return number

    async def name_of(self, product_id: int) -> str:
        """Raises NotFound."""
        return (await self._names_of(product_id))[0]

    async def _names_of(self, product_id: int) -> tuple[str, str]:
        """Its name and its SKU."""
        statement = select(Product.name, Product.sku).where(Product.id == product_id, Product.deleted_at.is_(None))
        async with self._sessions() as session:
            row = (await session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound
        return row.name, row.sku

    async def _table(self) -> Table:
        if not self._client.configured:
            raise SheetsOff
        try:
            async with asyncio.timeout(CALLER_SECONDS):
                return await read_table(self._client)
        except (ProviderError, WrongTable, TimeoutError) as error:
            raise answer_to(error) from error

    async def _clear(self, lines: list[Line]) -> None:
        try:
            async with asyncio.timeout(CALLER_SECONDS):
                await self._client.clear([f"{TAB}!A{line.number}:{LAST_COLUMN}{line.number}" for line in lines])
        except (ProviderError, TimeoutError) as error:
            raise answer_to(error) from error


def _is_of(line: Line, product_id: int, sku: str) -> bool:
    return line.id == str(product_id) or (not line.id and line.sku == sku)


def _differences(row: records.Stored, line: Line) -> list[dict[str, Any]]:
    stored = records.texts_of(row)
    return [
        {
            "product_id": row.id,
            "row_number": line.number,
            "field": field,
            "sheet": line.texts[field],
            "database": stored[field],
        }
        for field in FIELDS
        if line.texts[field] != stored[field]
    ]
