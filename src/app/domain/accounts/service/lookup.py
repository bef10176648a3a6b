"""Callers of requests that arrive together, read in one statement and outside of any request's transaction."""

from collections.abc import Sequence

import asyncpg

from app.db.coalesce import Coalescer
from app.db.failures import app_error_of
from app.db.line import Line
from app.db.pooling import Way
from app.domain.accounts.queries import Account, by_ids

BATCH = 128
SECONDS = 5.0
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class AccountLookup:
    """One connection of a process, opened when the first comes. Nothing is kept between requests."""

    def __init__(self, dsn: Way | str) -> None:
        self._line = Line(dsn, name="relampago-callers", seconds=SECONDS)
        self._asking: Coalescer[int, Account | None] = Coalescer(self._read, limit=BATCH, splits=lambda _error: False)

    async def get(self, user_id: int) -> Account | None:
        """The account as it stands after the call; None when there is none. Raises AppError without a database."""
        try:
            return await self._asking.submit(user_id)
        except FAILURES as error:
            raise app_error_of(error) or error from error

    async def _read(self, user_ids: Sequence[int]) -> list[Account | None]:
        rows = await self._line.fetch(by_ids().sql, list(set(user_ids)))
        found = {row["id"]: Account(*row.values()) for row in rows}
        return [found.get(user_id) for user_id in user_ids]

    async def close(self) -> None:
        """Finish what is under way, then let the connection go."""
        await self._asking.close()
        await self._line.close()
