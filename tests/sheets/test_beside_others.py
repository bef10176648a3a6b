"""Rows are taken over while others sell and rename: counts stay what the row says, and nobody waits in a circle."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.catalog.service.batches import ProductBatch
from app.domain.inventory.service import StockService
from app.domain.sheets.service import files, records
from app.domain.sheets.service.files import CatalogFiles
from tests.factories_catalog import make_category, make_product
from tests.sheets.office import ROW, Office

Sessions = async_sessionmaker[AsyncSession]
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")

PULLED = text("""
    SELECT p.price, stock_free(p.pool_id), p.brand, c.name FROM product p JOIN category c ON c.id = p.category_id
      JOIN sheet_row r ON r.product_id = p.id WHERE NOT r.awaits_id AND p.brand = 'Otra' ORDER BY r.row_number
""")


def sell_before_a_write(monkeypatch: pytest.MonkeyPatch, sessions: Sessions, pool_id: int) -> None:
    """Two units are sold after the product was read and before it is written."""
    change = ProductBatch.change

    async def beside(self: ProductBatch, *args: Any, **named: Any) -> Any:
        async with sessions() as other, other.begin():
            await StockService(other).add(pool_id, -2, cause="sold meanwhile")
        return await change(self, *args, **named)

    monkeypatch.setattr(ProductBatch, "change", beside)


async def free(office: Office, product_id: int) -> int:
    return int((await office.product(product_id))["stock"])


async def test_a_count_in_a_file_is_what_is_free(
    office: Office, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = await make_product(office.db, stock=7)
    product_id = product.id
    sell_before_a_write(monkeypatch, sessions, product.pool_id)
    async with sessions() as session, session.begin():
        report = await CatalogFiles(session).take([{"id": str(product_id), "price": "3.00", "stock": "10"}])
    assert (report.updated, report.errors) == (1, [])
    assert await free(office, product_id) == 10


async def test_nobody_waits_for_a_long_file(
    office: Office, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staff write a product while a file is taken over; the spreadsheet hears of the file too, even of stock alone."""
    first, second, other = [(await make_product(office.db, stock=7)).id for _ in range(3)]
    monkeypatch.setattr(files, "CHUNK", 1)
    change = ProductBatch.change

    async def beside(self: ProductBatch, changes: Any, *args: Any, **named: Any) -> Any:
        if any("brand" in one.values for one in changes):
            async with asyncio.timeout(5):
                await office.patch(other, price="9.00")
            await office.db.execute(text("DELETE FROM procrastinate_jobs"))
            await office.db.commit()
        return await change(self, changes, *args, **named)

    monkeypatch.setattr(ProductBatch, "change", beside)
    rows = [{"id": str(first), "price": "3.00"}, {"id": str(second), "brand": "Una"}]
    counted = {"id": str(other), "stock": "8", "exported_stock": "7"}
    for many in (rows, [counted]):
        async with sessions() as session, session.begin():
            report = await CatalogFiles(session).take(many)
        assert (report.updated, report.errors) == (len(many), [])
        waiting = text("DELETE FROM procrastinate_jobs WHERE task_name = 'sheets:push' RETURNING id")
        assert len((await office.db.execute(waiting)).all()) == 1
        await office.db.commit()


async def test_a_first_count_in_the_sheet_is_what_is_free(
    office: Office, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has written the sheet before: there is no count that a difference could be of."""
    product = await make_product(office.db, stock=7)
    product_id = product.id
    office.head()
    office.type(2, ID=product_id, Nombre="Otro", Categoría="Varios", Precio=3, Moneda="ARS", Stock=10, Descuento=0)
    office.type(2, Disponible=True)
    await make_category(office.db, name="Varios")
    sell_before_a_write(monkeypatch, sessions, product.pool_id)
    answer = await office.post("pull/")
    assert (answer["updated"], answer["errors"]) == (1, [])
    assert await free(office, product_id) == 10


async def test_a_row_takes_its_category_before_its_product(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The products are taken when their category is renamed, and a row brings another one there."""
    category = await make_category(office.db, name="Riego")
    path = f"/api/categories/{category.id}/"
    await make_product(office.db, category=category, name="Gotero")
    moved = (await make_product(office.db, category=await make_category(office.db, name="Varios"), name="Pico")).id
    await office.post("bulk/")
    office.type(3, Categoría="Riego", Nombre="Aspersor")
    renamings: list[asyncio.Task[httpx.Response]] = []
    load = records.load

    async def beside(*args: Any) -> Any:
        if not renamings:
            rename = office.client.patch(path, json={"name": "Agua"}, headers=office.people.staff)
            renamings.append(asyncio.create_task(rename))
            await until_waiting(office.db, 1)
        return await load(*args)

    monkeypatch.setattr(records, "load", beside)
    answer = await office.post("pull/")
    assert (answer["updated"], answer["errors"]) == (1, [])
    assert (await renamings[0]).status_code == 200
    found = await office.product(moved)
    assert (found["name"], found["category_name"]) == ("Aspersor", "Agua")


async def until_waiting(db: AsyncSession, many: int) -> None:
    async with asyncio.timeout(10):
        while (await db.execute(WAITING)).scalar_one() < many:
            await db.rollback()
            await asyncio.sleep(0.02)
    await db.rollback()


async def test_statements_of_a_pull_do_not_grow_with_its_rows(office: Office) -> None:
    """Else a few thousand changed rows would take longer than a caller waits."""
    await make_category(office.db, name="Sustratos")
    many = 60
    for _ in range(many):
        await make_product(office.db, stock=10)
    await office.post("bulk/")
    for number in range(2, many + 2):
        office.type(number, Precio=float(number), Stock=number, Marca="Otra", Categoría="sustratos")
    for number in range(many + 2, 2 * many + 2):
        office.type(number, **ROW)
    counted = 0

    def count(*_: Any) -> None:
        nonlocal counted
        counted += 1

    engine = office.work.sessions.kw["bind"].sync_engine
    event.listen(engine, "before_cursor_execute", count)
    answer = await office.post("pull/")
    event.remove(engine, "before_cursor_execute", count)
    assert (answer["created"], answer["updated"], answer["errors"]) == (many, many, [])
    assert counted < many
    found = [row async for row in await office.db.stream(PULLED)]
    assert [tuple(row) for row in found] == [(number, number, "Otra", "Sustratos") for number in range(2, many + 2)]
