"""What is remembered of each product's row."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, delete, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from app.domain.sheets import queries
from app.domain.sheets.models import SheetRow
from app.domain.sheets.rules.cells import FIELDS, row_of, stored_text

Stored = Row[*tuple[Any, ...]]


class Outgoing(msgspec.Struct, frozen=True):
    """A row on its way to the sheet: the fields to write, by their texts; what both sides agreed on before."""

    number: int
    product_id: int
    sku: str
    texts: dict[str, str]
    seen: dict[str, str] | None = None
    awaits_id: bool = False

    def cells(self, stamp: str) -> tuple[str, list[Any]]:
        return row_of(self.number, self.product_id, self.sku, self.texts, stamp)


class Agreed(msgspec.Struct, frozen=True):
    """A row that says what its product says; nothing is to be written."""

    product_id: int
    number: int
    seen: dict[str, str]


def texts_of(row: Stored) -> dict[str, str]:
    """A stored product as its row would say it."""
    return {field: stored_text(field, getattr(row, field)) for field in FIELDS}


def base_of(row: Stored, stamp: str) -> dict[str, str] | None:
    """What row and product last agreed on. A row that was being written counts if the sheet bears its stamp."""
    seen: dict[str, str] | None = row.seen
    if row.writing and row.writing["stamp"] == stamp:
        return {**(seen or {}), **row.writing["texts"]}
    return seen


async def load(session: AsyncSession, ids: Sequence[int]) -> dict[int, Stored]:
    """Products that are not deleted, by id."""
    return {row.id: row for row in await session.execute(queries.products(ids))}


async def clock(session: AsyncSession) -> dt.datetime:
    now: dt.datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def remember(session: AsyncSession, product_id: int, **values: Any) -> None:
    """Write columns of the product's row, which is made if it is not there."""
    statement = insert(SheetRow).values(product_id=product_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=[SheetRow.product_id], set_=values))


async def intend(session: AsyncSession, rows: Sequence[Outgoing], stamp: str) -> None:
    """Rows are about to be written to the sheet."""
    if not rows:
        return
    values = [
        {
            "product_id": row.product_id,
            "row_number": row.number,
            "seen": row.seen,
            "writing": {"stamp": stamp, "texts": row.texts},
            "awaits_id": row.awaits_id,
            "excluded": False,
        }
        for row in rows
    ]
    await _remember_all(session, values)


async def agree(session: AsyncSession, rows: Sequence[Agreed]) -> None:
    """Remember what both sides say at this moment."""
    if not rows:
        return
    at = await clock(session)
    same = {"writing": None, "excluded": False, "awaits_id": False, "synced_at": at}
    values = [{"product_id": row.product_id, "row_number": row.number, "seen": row.seen} | same for row in rows]
    await _remember_all(session, values)
    await mark(session, [row.product_id for row in rows], at)


async def _remember_all(session: AsyncSession, values: Sequence[Mapping[str, Any]]) -> None:
    """Write the same columns of several products' rows, which are made if they are not there."""
    statement = insert(SheetRow).values(values)
    columns = {name: statement.excluded[name] for name in values[0] if name != "product_id"}
    await session.execute(statement.on_conflict_do_update(index_elements=[SheetRow.product_id], set_=columns))


async def confirm(session: AsyncSession, rows: Sequence[Outgoing], stamp: str, read_at: dt.datetime) -> None:
    """The rows have arrived, as products stood at an instant."""
    ids = [row.product_id for row in rows]
    arrived = (SheetRow.product_id.in_(ids), SheetRow.writing["stamp"].astext == stamp)
    both = func.coalesce(SheetRow.seen, literal_column("'{}'::jsonb")).op("||")(SheetRow.writing["texts"])
    values = {"seen": both, "writing": None, "awaits_id": False, "synced_at": read_at}
    await session.execute(update(SheetRow).where(*arrived).values(values))
    await mark(session, ids, read_at)


async def mark(session: AsyncSession, ids: Sequence[int], at: dt.datetime) -> None:
    """The products say themselves where and when; that is no change of theirs."""
    number = select(SheetRow.row_number).where(SheetRow.product_id == Product.id).scalar_subquery()
    values = {"sheets_last_sync": at, "sheets_row_number": number, "updated_at": Product.updated_at}
    await session.execute(
        update(Product).where(Product.id.in_(ids)).values(values).execution_options(synchronize_session=False)
    )


async def unmark(session: AsyncSession, product_id: int) -> None:
    values = {"sheets_last_sync": None, "sheets_row_number": None, "updated_at": Product.updated_at}
    await session.execute(update(Product).where(Product.id == product_id).values(values))


async def forget(session: AsyncSession, ids: Sequence[int]) -> None:
    await session.execute(delete(SheetRow).where(SheetRow.product_id.in_(ids)))
