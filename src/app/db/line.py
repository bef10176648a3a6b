"""One asyncpg connection of one's own, opened on first use and again after it broke."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from app.db.pooling import Way, driver_arguments, keeps_statements, way_of

CONNECT_SECONDS = 5.0
# Classes of errors after which the server closes the connection, at once or in a moment.
LAST_WORDS = ("08", "57P")
# Somebody else's transaction was chosen to go on.
RETRIED_STATES = frozenset({"40001", "40P01"})
TRIES = 3


class Line:
    """For one caller at a time; each call is a transaction of its own. A broken connection fails that call alone."""

    def __init__(self, dsn: Way | str, *, name: str, seconds: float, settings: Mapping[str, str] | None = None) -> None:
        """`seconds` bounds each call; `settings` are the server's, for this connection."""
        way = way_of(dsn)
        self._dsn = way.dsn
        self._seconds = seconds
        self._arguments = driver_arguments(way.pooler, name, settings)
        self._in_transaction = not keeps_statements(way.pooler)
        self._connection: asyncpg.Connection | None = None
        self._opening = asyncio.Lock()

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of one statement. Raises PostgresError and InterfaceError of asyncpg, OSError and TimeoutError."""
        try:
            return await self._fetch(await self._open(), statement, *arguments)
        except asyncpg.InternalClientError as error:
            # The driver's words for a server that has ended the connection between two calls of ours.
            raise asyncpg.InterfaceError("the connection has broken") from error

    async def _fetch(self, connection: asyncpg.Connection, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        try:
            rows = await self._asked(connection, statement, arguments)
        except asyncpg.PostgresError as error:
            if str(error.sqlstate).startswith(LAST_WORDS):
                connection.terminate()
            raise
        except BaseException:
            # Whether the statement ran is unknown, and the protocol's state too.
            connection.terminate()
            raise
        return rows

    async def _asked(
        self, connection: asyncpg.Connection, statement: str, arguments: tuple[Any, ...]
    ) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record]
        if not self._in_transaction:
            rows = await connection.fetch(statement, *arguments, timeout=self._seconds)
            return rows
        async with asyncio.timeout(self._seconds), connection.transaction():
            rows = await connection.fetch(statement, *arguments)
        return rows

    async def _open(self) -> asyncpg.Connection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._dsn, timeout=CONNECT_SECONDS, **self._arguments)
            return self._connection

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close()


async def fetch_again(line: Line, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """`Line.fetch`, up to three times when it lost against others' transactions."""
    for _ in range(TRIES - 1):
        try:
            return await line.fetch(statement, *arguments)
        except asyncpg.PostgresError as error:
            if error.sqlstate not in RETRIED_STATES:
                raise
    return await line.fetch(statement, *arguments)
