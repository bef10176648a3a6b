"""One asyncpg connection of one's own, opened on first use and again after it broke."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from app.db.commits import Connection, Refused, must_wait
from app.db.pooling import Way, driver_arguments, keeps_statements, way_of

CONNECT_SECONDS = 5.0
# Classes of errors after which the server closes the connection, at once or in a moment.
LAST_WORDS = ("08", "57P")
# Somebody else's transaction was chosen to go on.
RETRIED_STATES = frozenset({"40001", "40P01"})
TRIES = 3


class Line:
    """For one caller at a time; each call is a transaction of its own. A broken connection fails that call alone."""

    def __init__(
        self,
        dsn: Way | str,
        *,
        name: str,
        seconds: float,
        settings: Mapping[str, str] | None = None,
        commits: bool = False,
    ) -> None:
        """`seconds` bounds each call; `settings` are the server's, for this connection.

        A line that `commits` does not cancel what takes longer, but leaves it to itself (see `app.db.commits`).
        """
        way = way_of(dsn)
        self._dsn = way.dsn
        self._seconds = seconds
        self._arguments = driver_arguments(way.pooler, name, settings)
        self._commits = commits
        self._in_transaction = not keeps_statements(way.pooler)
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of one statement. Raises PostgresError and InterfaceError of asyncpg, OSError and TimeoutError."""
        try:
            return await self._fetch(await self._open(), statement, *arguments)
        except asyncpg.InternalClientError as error:
            # The driver's words for a server that has ended the connection between two calls of ours.
            raise asyncpg.InterfaceError("the connection has broken") from error

    async def _fetch(self, connection: Connection, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        try:
            rows = await self._asked(connection, statement, arguments)
        except Refused:
            raise
        except asyncpg.PostgresError as error:
            if str(error.sqlstate).startswith(LAST_WORDS):
                connection.terminate()
            raise
        except BaseException:
            # Whether the statement ran is unknown, and the protocol's state too.
            connection.terminate()
            raise
        return rows

    async def _asked(self, connection: Connection, statement: str, arguments: tuple[Any, ...]) -> list[asyncpg.Record]:
        if self._commits:
            return await connection.in_time(self._sent(connection, statement, arguments, None), self._seconds)
        return await self._sent(connection, statement, arguments, self._seconds)

    async def _sent(
        self, connection: Connection, statement: str, arguments: tuple[Any, ...], seconds: float | None
    ) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record]
        if not self._in_transaction:
            await self._look(connection)
            rows = await connection.fetch(statement, *arguments, timeout=seconds)
            return rows
        async with asyncio.timeout(seconds), connection.transaction():
            await self._look(connection)
            rows = await connection.fetch(statement, *arguments)
        return rows

    async def _look(self, connection: Connection) -> None:
        """Raises Refused when a commit would have to wait."""
        if self._commits and await must_wait(connection):
            raise Refused

    async def _open(self) -> Connection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._dsn, timeout=CONNECT_SECONDS, connection_class=Connection, **self._arguments
                )
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
