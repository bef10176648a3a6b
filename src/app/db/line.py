"""One asyncpg connection of one's own, opened on first use and again after it broke."""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

CONNECT_SECONDS = 5.0


class Line:
    """For one caller at a time; each call is a transaction of its own. A broken connection fails that call alone."""

    def __init__(self, dsn: str, *, name: str, seconds: float, settings: Mapping[str, str] | None = None) -> None:
        """`seconds` bounds each call; `settings` are the server's, for this connection."""
        self._dsn = dsn
        self._seconds = seconds
        self._settings = {"application_name": name, "jit": "off", "timezone": "UTC", **(settings or {})}
        self._connection: asyncpg.Connection | None = None
        self._opening = asyncio.Lock()

    async def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of one statement. Raises what asyncpg raises, OSError and TimeoutError among it."""
        connection = await self._open()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments, timeout=self._seconds)
        except asyncpg.PostgresError:
            raise
        except BaseException:
            # Whether the statement ran is unknown, and the protocol's state too.
            connection.terminate()
            raise
        return rows

    async def _open(self) -> asyncpg.Connection:
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._dsn, timeout=CONNECT_SECONDS, server_settings=self._settings
                )
            return self._connection

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close()
