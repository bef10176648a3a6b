"""Reads another shop's database: one snapshot, read-only, a page of rows at a time with what belongs to them."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from app.domain.moving.rules.tables import Child, Kind, tables_of

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 300
# Between two pages this transaction idles while ours writes.
_PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0"
_COLUMNS = """
    SELECT table_name, column_name, udt_name FROM information_schema.columns WHERE table_schema = current_schema()
"""
_JSON = {"json", "jsonb"}
_PLACES = {"geography", "geometry"}


class NotThere(Exception):
    """The source has no table for a kind, or not the columns that it needs; the message says so."""


class SourceTable(msgspec.Struct, frozen=True):
    """A table as it is there: its name, and the types of its columns."""

    name: str
    types: Mapping[str, str]

    def listed(self, columns: Sequence[str]) -> str:
        """Those of the columns that there are, for a SELECT; JSON and places as text."""
        found = [column for column in columns if column in self.types]
        texts = _JSON | _PLACES
        return ", ".join(f'"{one}"::text AS "{one}"' if self.types[one] in texts else f'"{one}"' for one in found)


class Source:
    """An open snapshot."""

    def __init__(
        self, connection: Any, types: Mapping[str, Mapping[str, str]], labels: Mapping[str, str], zone: ZoneInfo
    ) -> None:
        self.connection = connection
        self.types = types
        self.labels = labels
        self.zone = zone

    def table(self, kind: Kind | Child) -> SourceTable:
        """Raises NotThere."""
        names = tables_of(kind.label, kind.models, self.labels)
        found = next((name for name in names if name in self.types), None)
        if found is None:
            raise NotThere(f"no table {' or '.join(names)}")
        needed = kind.needed if isinstance(kind, Kind) else ("id", kind.parent)
        if lacking := [column for column in needed if column not in self.types[found]]:
            raise NotThere(f"the table {found} has no column {', '.join(lacking)}")
        return SourceTable(found, self.types[found])

    async def highest(self, table: SourceTable) -> int:
        """The highest id; 0 for none, and for ids that are no numbers."""
        if table.types["id"] == "uuid":
            return 0
        return int(await self.connection.fetchval(f'SELECT max(id) FROM "{table.name}"') or 0)  # noqa: S608 - a table

    async def pages(self, kind: Kind, size: int) -> AsyncIterator[list[dict[str, Any]]]:
        """The rows by their ids with their children; a kind that is wanted whole comes as one page."""
        table = self.table(kind)
        columns = table.listed((*kind.needed, *kind.others))
        limit = "" if kind.whole else f"LIMIT {size:d}"
        rest = f'FROM "{table.name}" {{after}} ORDER BY id {limit}'
        rows = await self.connection.fetch(f"SELECT {columns} {rest.format(after='')}")
        while rows:
            yield await self._with_children(kind, [self._plain(table, row) for row in rows])
            if kind.whole or len(rows) < size:
                return
            after = rest.format(after="WHERE id > $1")
            rows = await self.connection.fetch(f"SELECT {columns} {after}", rows[-1]["id"])

    async def _with_children(self, kind: Kind, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        owners = {row["id"]: row for row in rows}
        for child in kind.children:
            for row in rows:
                row[child.name] = []
            try:
                table = self.table(child)
            except NotThere:
                continue
            columns = table.listed((*child.columns, child.parent))
            statement = f'SELECT {columns} FROM "{table.name}" WHERE "{child.parent}" = ANY ($1) ORDER BY id'  # noqa: S608
            for found in await self.connection.fetch(statement, list(owners)):
                line = dict.fromkeys(child.columns) | self._plain(table, found)
                owners[line[child.parent]][child.name].append(line)
        return rows

    def lacking(self, kind: Kind) -> list[str]:
        """What is said of children for which there is no table."""
        said = []
        for child in kind.children:
            try:
                self.table(child)
            except NotThere as reason:
                said.append(f"without {child.name}: {reason}")
        return said

    def _plain(self, table: SourceTable, row: Mapping[str, Any]) -> dict[str, Any]:
        """JSON as its values; times of a database without zones are in the shop's."""
        plain = dict(row)
        for name, value in row.items():
            if value is None:
                continue
            if table.types[name] in _JSON:
                plain[name] = msgspec.json.decode(value)
            elif isinstance(value, dt.datetime) and value.tzinfo is None:
                plain[name] = value.replace(tzinfo=self.zone)
        return plain


@asynccontextmanager
async def open_source(url: str, labels: Mapping[str, str], zone: ZoneInfo) -> AsyncIterator[Source]:
    """Nothing is ever written there: the database itself refuses it."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(_PATIENT)
            types: dict[str, dict[str, str]] = {}
            for table, column, kind in await connection.fetch(_COLUMNS):
                types.setdefault(table, {})[column] = kind
            yield Source(connection, types, labels, zone)
    finally:
        await connection.close()


def name_of(url: str) -> str:
    """What a source is called unless it is said: host, port and database, without who asks."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'local'}:{parts.port or 5432}{parts.path}"
