"""What empties a database's tables between tests."""

from types import TracebackType
from typing import Self

import asyncpg

KEPT_TABLES = {"spatial_ref_sys", "alembic_version"}
TABLES = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname
"""
# Keys and triggers do not ask about what is deleted.
SILENCE = "SET session_replication_role = replica"
SWEEP = "CREATE OR REPLACE FUNCTION pg_temp.sweep() RETURNS void LANGUAGE plpgsql"
# The test before may have ended every connection to the database.
ENDED = (asyncpg.AdminShutdownError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)


class Broom:
    """On one connection that stays, which has read about each table and planned each statement once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._names: list[str] | None = None

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
            self._names = None
        names = [name for (name,) in await self._connection.fetch(TABLES)]
        if names != self._names:
            every = "".join(f'DELETE FROM public."{name}";' for name in names if name not in KEPT_TABLES)
            await self._connection.execute(f"{SWEEP} AS $$ BEGIN {every} END $$")
            self._names = names
        await self._connection.execute("SELECT pg_temp.sweep()")

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
