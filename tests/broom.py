"""What empties a database's tables between tests."""

from types import TracebackType
from typing import Self

import asyncpg

KEPT_TABLES = {"spatial_ref_sys", "alembic_version"}
TABLES = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
# Keys and triggers do not ask about what is deleted.
SILENCE = "SET session_replication_role = replica"
# The test before may have ended every connection to the database.
ENDED = (asyncpg.AdminShutdownError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)


class Broom:
    """On one connection that stays: a new one has to read about each table first, which takes longer than the rest."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def sweep(self) -> None:
        """Delete every row of every table but the kept ones."""
        try:
            await self._sweep()
        except ENDED:
            await self._leave()
            await self._sweep()

    async def _sweep(self) -> None:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url)
            await self._connection.execute(SILENCE)
        names = [name for (name,) in await self._connection.fetch(TABLES)]
        await self._connection.execute("; ".join(f'DELETE FROM "{name}"' for name in names if name not in KEPT_TABLES))

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
