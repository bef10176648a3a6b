"""Moves one shop's rows into ours: kind by kind, batch by batch, each in a transaction of its own."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.cli.moving.source import NotThere, Source
from app.db.failures import constraint_of, sqlstate_of
from app.db.models import Base
from app.domain.accounts.models import User
from app.domain.carts.models import Cart
from app.domain.catalog.models import Category, Product
from app.domain.moving.rules.goods import parents_first
from app.domain.moving.rules.judging import Moved, Remark, Row
from app.domain.moving.rules.tables import KINDS, Kind
from app.domain.moving.service import goods, people, sales
from app.domain.moving.service.desk import Choices, Desk
from app.domain.orders.models import Order
from app.domain.stores.models import Store, StoreProduct

Write = Callable[[Desk, Sequence[Row]], Awaitable[Moved]]
Tell = Callable[[str, int], None]

WRITERS: dict[str, tuple[Write, type[Base] | None]] = {
    "users": (people.move_users, User),
    "profiles": (people.move_profiles, None),
    "categories": (goods.move_categories, Category),
    "products": (goods.move_products, Product),
    "coupons": (sales.move_coupons, None),
    "orders": (sales.move_orders, Order),
    "coupon uses": (sales.move_uses, None),
    "carts": (sales.move_carts, Cart),
    "stores": (goods.move_stores, Store),
    "store products": (goods.move_store_products, StoreProduct),
}
# What a row may do to a statement: break a rule of the tables, or not fit into a column. Anything else stops us.
_ROWS_FAULT = ("22", "23")


class KindReport(msgspec.Struct):
    """What became of one kind. `before` were done by an earlier run; `said` is about the kind as a whole."""

    kind: str
    read: int = 0
    written: int = 0
    before: int = 0
    said: list[str] = []
    skipped: list[Remark] = []
    notes: list[Remark] = []


class Report(msgspec.Struct, frozen=True):
    """What an import did, or in a dry run would have done."""

    source: str
    dry_run: bool
    kinds: list[KindReport]


class Import:
    """One run. A dry one is a single transaction that is rolled back."""

    def __init__(self, engine: AsyncEngine, source: Source, choices: Choices, *, size: int, dry_run: bool) -> None:
        self.engine = engine
        self.source = source
        self.choices = choices
        self.size = size
        self.dry_run = dry_run

    async def run(self, tell: Tell) -> Report:
        """`tell` hears the kind and how many rows of it were read, after each batch."""
        async with AsyncExitStack() as stack:
            sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(self.engine, expire_on_commit=False)
            if self.dry_run:
                connection = await stack.enter_async_context(self.engine.connect())
                sessions = async_sessionmaker(
                    connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
                )
                outer = await connection.begin()
                stack.push_async_callback(outer.rollback)
            reports = [await self._kind(sessions, kind, tell) for kind in KINDS]
        return Report(self.choices.source, self.dry_run, reports)

    async def _kind(self, sessions: async_sessionmaker[AsyncSession], kind: Kind, tell: Tell) -> KindReport:
        report = KindReport(kind.name)
        write, model = WRITERS[kind.name]
        try:
            table = self.source.table(kind)
        except NotThere as reason:
            report.said.append(str(reason))
            return report
        report.said += self.source.lacking(kind)
        if model is not None:
            async with sessions() as session, session.begin():
                await Desk(session, self.choices).make_room(model, await self.source.highest(table))
        async for rows in self.source.pages(kind, self.size):
            await self._batch(sessions, kind.name, write, rows, report)
            tell(kind.name, report.read)
        return report

    async def _batch(
        self,
        sessions: async_sessionmaker[AsyncSession],
        kind: str,
        write: Write,
        rows: Sequence[Row],
        report: KindReport,
    ) -> None:
        async with sessions() as session, session.begin():
            desk = Desk(session, self.choices)
            await desk.open()
            done = await desk.known(kind, (row["id"] for row in rows))
            new = [row for row in parents_first(rows) if str(row["id"]) not in done]
            parts = await self._written(desk, kind, write, new)
        report.read += len(rows)
        report.before += len(done)
        for moved in parts:
            report.written += len(moved.ids)
            report.skipped += moved.skipped
            report.notes += moved.notes

    async def _written(self, desk: Desk, kind: str, write: Write, rows: Sequence[Row]) -> list[Moved]:
        """All at once; if the database refuses them, halves of them, until it is known which row is at fault."""
        if not rows:
            return []
        try:
            return [await _attempt(desk, kind, write, rows)]
        except (DBAPIError, StatementError) as error:
            if not _is_the_rows(error):
                raise
            if len(rows) == 1:
                return [Moved(skipped=[Remark(str(rows[0]["id"]), _refusal(error))])]
        middle = len(rows) // 2
        first = await self._written(desk, kind, write, rows[:middle])
        return first + await self._written(desk, kind, write, rows[middle:])


async def _attempt(desk: Desk, kind: str, write: Write, rows: Sequence[Row]) -> Moved:
    async with desk.session.begin_nested():
        moved = await write(desk, rows)
        await desk.record(kind, moved)
        return moved


def _is_the_rows(error: StatementError) -> bool:
    """Values that the driver cannot send have no code of the server."""
    state: Any = sqlstate_of(error)
    return state[:2] in _ROWS_FAULT if state else type(error) in {DBAPIError, StatementError}


def _refusal(error: StatementError) -> str:
    name = constraint_of(error)
    return f"it breaks the rule {name}" if name else "a value does not fit into its column"
