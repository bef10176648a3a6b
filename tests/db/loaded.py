"""Rows in every table of ours, and people who read and write while the tables change."""

import asyncio
import re
from types import TracebackType
from typing import Any, Self

import asyncpg
from sqlalchemy import CheckConstraint, Column, Table
from sqlalchemy.dialects import postgresql

from app import registry
from app.db.models import Base

registry.load()
ROWS = 2000
PAUSE_SECONDS = 0.002
# Tables that many people use at once, with a column that tells rows apart.
TROD = {
    "users": "id",
    "product": "id",
    "orders": "id",
    "activity_log": "id",
    "promo_notification": "id",
    "push_log": "id",
    "reservation_finished": "id",
    "stock_slot": "pool_id",
    "events": "happened_at",
}
DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
TOMORROW = "now() + interval '1 day'"
# Rows that a rule of the table's own ties together, which a value for each column does not know.
TIES = {
    "product": {"category_id": "1"},
    "bulk_promotion": {"end_date": TOMORROW, "buy_quantity": "2"},
    "offer": {"end_date": TOMORROW},
    "flash_promo": {"ends_at": TOMORROW},
    "reservation_archive": {"id": "g + 1000000"},
    "coupon": {"code": "'V' || g"},
    "reservation_finished": {"status": "'expired'"},
    "verification_codes": {"user_id": "g"},
    "stock_pool": {"parent_id": "NULL", "closes_at": "NULL"},
    "push_log": {"promo_id": "NULL", "promo_notification_id": "NULL", "sent_date": "CURRENT_DATE - g % 60"},
    "promo_notification": {"sent_date": "CURRENT_DATE - g % 60"},
}
VALUES = {
    "BIGINT": "g",
    "INTEGER": "1",
    "SMALLINT": "1",
    "BOOLEAN": "false",
    "DATE": "CURRENT_DATE",
    "TIME": "'12:00'",
    "JSONB": "'{}'",
    "UUID": "gen_random_uuid()",
    "TEXT": "'t' || g",
    "BYTEA": "'x'",
    "INET": "'192.0.2.1'",
    "TIMESTAMP WITH TIME ZONE": "now() - g % 60 * interval '1 day'",
}


def _value(table: Table, column: Column[Any]) -> str | None:
    """What a row has in a column; None for its default."""
    if column.name in TIES.get(table.name, {}):
        return TIES[table.name][column.name]
    if column.identity is not None or column.nullable or (column.server_default is not None and not column.primary_key):
        return None
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint):
            listed = re.search(rf"\b{column.name} IN \('([^']*)'", str(constraint.sqltext))
            if listed:
                return f"'{listed[1]}'"
    kind = "GEOGRAPHY" if "geography" in str(column.type).lower() else column.type.compile(DIALECT)
    if kind.startswith("VARCHAR"):
        return f"left('v' || g, {getattr(column.type, 'length', 9)})"
    if kind == "GEOGRAPHY":
        return "ST_SetSRID(ST_MakePoint(-58.4, -34.6), 4326)::geography"
    return "1" if kind.startswith("NUMERIC") else "'{}'" if kind.endswith("[]") else VALUES.get(kind, "'?'")


async def load(connection: asyncpg.Connection, *, undated: bool = False) -> int:
    """As many rows as each table's rules let in; in how many tables that is a crowd.

    `undated`: pushes have no day, as before they lay in months.
    """
    crowds = 0
    await connection.execute("SET session_replication_role = replica")
    for table in Base.metadata.sorted_tables:
        there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table.name)
        if not there or table.name == "catalogue_version":  # which has its one row
            continue
        pairs = {column.name: _value(table, column) for column in table.columns}
        if undated and table.name == "push_log":
            del pairs["sent_date"]
        given = {f'"{name}"': value for name, value in pairs.items() if value is not None}
        some = f"({', '.join(given)}) SELECT {', '.join(given.values())} FROM generate_series(1, {ROWS}) g"
        statement = f"INSERT INTO {table.name} {some if given else 'DEFAULT VALUES'} ON CONFLICT DO NOTHING"
        crowds += int((await connection.execute(statement)).split()[-1]) == ROWS
    await connection.execute("SET session_replication_role = origin; ANALYZE")
    return crowds


class Passers:
    """One who reads and one who writes, in short transactions, as buyers do; how long either of them had to wait."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.longest = 0.0
        self.counts = {"read": 0, "written": 0}
        self._ended = False

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._pass(name)) for name in self.counts]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        await asyncio.gather(*self._tasks)

    async def _pass(self, name: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            while not self._ended:
                for table in TROD:
                    await self._touch(connection, name, table)
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await connection.close()

    async def _touch(self, connection: asyncpg.Connection, name: str, table: str) -> None:
        key = TROD[table]
        first = f"SELECT min({key}) FROM {table}"
        begun = asyncio.get_running_loop().time()
        try:
            # In text, not prepared: the tables are not what they were a moment ago.
            await connection.execute(
                first if name == "read" else f"UPDATE {table} SET {key} = {key} WHERE {key} = ({first})"
            )
            self.counts[name] += 1
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError):
            pass  # Of a revision that is gone for the moment.
        self.longest = max(self.longest, asyncio.get_running_loop().time() - begun)
