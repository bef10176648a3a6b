"""`catalog import` while the shop sells: stock is locked when all rows are read, and as orders lock it."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.inventory.service import StockService, Trade
from app.domain.sheets.service import files
from app.domain.sheets.service.files import CatalogFiles
from tests.factories_catalog import make_product

Sessions = async_sessionmaker[AsyncSession]


async def test_buyers_buy_while_the_rows_are_read(
    db: AsyncSession, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 1)
    products = [await make_product(db, name=name, stock=10) for name in "ABC"]
    pools = [product.pool_id for product in products]
    await db.commit()
    bought = []

    class Busy(CatalogFiles):
        async def _take(self, *arguments: Any) -> None:
            await super()._take(*arguments)
            async with sessions() as session, session.begin():
                await session.execute(text("SET LOCAL lock_timeout = '200ms'"))
                bought.append(await StockService(session).trade([Trade(pool, 1, "order 1") for pool in pools]))

    rows = [row(product.id, units) for product, units in zip(reversed(products), (3, 30, 10), strict=True)]
    async with sessions() as session, session.begin():
        report = await Busy(session).take(rows)
    assert (report.updated, report.unchanged, report.errors, len(bought)) == (2, 1, [], 3)
    assert await StockService(db).free(pools) == dict(zip(pools, (7, 27, 0), strict=True))


async def test_stock_is_locked_in_the_order_in_which_orders_lock_it(
    db: AsyncSession, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 1)
    products = [await make_product(db, name=name, stock=10) for name in "ABC"]
    await db.commit()
    counted: list[int] = []
    count = StockService.count

    async def noted(self: StockService, counts: Any) -> Any:
        counted.extend(one.pool_id for one in counts)
        return await count(self, counts)

    monkeypatch.setattr(StockService, "count", noted)
    async with sessions() as session, session.begin():
        await CatalogFiles(session).take([row(product.id, 20) for product in reversed(products)])
    assert counted == sorted(product.pool_id for product in products)


async def test_events_wait_for_no_commit(db: AsyncSession, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a chunk are there when it is written, and each product's says what became of it in the end."""
    monkeypatch.setattr(files, "CHUNK", 1)
    products = [await make_product(db, name=name, stock=10) for name in "AB"]
    await db.execute(text("DELETE FROM event_outbox"))
    await db.commit()
    noted = list[int]()

    class Watched(CatalogFiles):
        async def _note(self) -> None:
            await super()._note()
            noted.append((await self.session.execute(text("SELECT count(*) FROM event_outbox"))).scalar_one())

    rows: list[Mapping[str, str]] = [{"id": str(products[0].id), "price": "7"}, row(products[1].id, 4)]
    async with sessions() as session, session.begin():
        await Watched(session).take(rows)
    told = await db.execute(text("SELECT object_id, data ->> 'price', data ->> 'stock' FROM event_outbox ORDER BY 1"))
    assert noted == [1, 1]
    assert [tuple(each) for each in told] == [
        (products[0].id, "7.00", "10"),
        (products[1].id, f"{products[1].price:.2f}", "4"),
    ]


def row(product_id: int, units: int) -> dict[str, str]:
    """A row of a file that was made when there were ten."""
    return {"id": str(product_id), "stock": str(units), "exported_stock": "10"}
