"""Reads of public answers: a statement, a round trip, and no transaction around it.

Equal reads that wait together are one: whoever comes before a statement is sent shares its rows, whoever comes after it
waits for the next one. So nobody sees anything older than the own request, and a page that everybody asks for costs the
database as much as one that a single shopper asks for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

import asyncpg

from app.db.failures import app_error_of
from app.db.line import Line
from app.db.pooling import PLANNED_ONCE, Way
from app.db.standby import FAILURES, Standby
from app.errors import Unavailable

LINES = 4
SECONDS = 15.0
WAIT_SECONDS = 5.0

T = TypeVar("T")
Key = tuple[str, tuple[Hashable, ...]]
Ask = Callable[[Line, str, tuple[Any, ...]], Awaitable[list[asyncpg.Record]]]


class Reads:
    """The reading connections of one process, opened when they are needed."""

    def __init__(self, dsn: Way | str, *, lines: int = LINES, standby: Standby | None = None) -> None:
        """With a standby reads go there whenever it has all that the primary had when they came."""
        self._lines = [Line(dsn, name="relampago-reads", seconds=SECONDS, settings=PLANNED_ONCE) for _ in range(lines)]
        self._standby = standby
        self._free = list(self._lines)
        self._room = asyncio.Semaphore(lines)
        self._waiting: dict[Key, asyncio.Future[Any]] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def fetch(
        self,
        statement: str,
        arguments: tuple[Hashable, ...],
        use: Callable[[list[asyncpg.Record]], T],
        *,
        primary: bool = False,
    ) -> T:
        """What `use` makes of the rows, made once for all who share them. Raises AppError without a database.

        `primary` is for what a replica refuses to do, such as `pg_notify`.
        """
        key = (statement, arguments)
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            ask = self._ask_primary if primary else self._rows
            task = asyncio.create_task(self._answer(key, future, use, ask))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # One who goes away does not take the answer from the others.
        result: T = await asyncio.shield(future)
        return result

    async def _answer(
        self, key: Key, future: asyncio.Future[Any], use: Callable[[list[asyncpg.Record]], Any], ask: Ask
    ) -> None:
        try:
            while (running := self._running.get(key)) is not None:
                await asyncio.wait({running})
            async with asyncio.timeout(WAIT_SECONDS):
                await self._room.acquire()
        except TimeoutError:
            self._waiting.pop(key, None)
            _fail(future, Unavailable())
            return
        self._waiting.pop(key, None)
        line = self._free.pop()
        task = asyncio.current_task()
        if task is not None:
            self._running[key] = task
        try:
            future.set_result(use(await ask(line, *key)))
        except FAILURES as error:
            _fail(future, app_error_of(error) or error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the callers' to see
            _fail(future, error)
        except asyncio.CancelledError:
            _fail(future, Unavailable())
            raise
        finally:
            self._running.pop(key, None)
            self._free.append(line)
            self._room.release()

    async def _rows(self, line: Line, statement: str, arguments: tuple[Hashable, ...]) -> list[asyncpg.Record]:
        if self._standby is not None:
            rows = await self._standby.fetch(statement, arguments)
            if rows is not None:
                return rows
        return await self._ask_primary(line, statement, arguments)

    async def _ask_primary(self, line: Line, statement: str, arguments: tuple[Any, ...]) -> list[asyncpg.Record]:
        return await line.fetch(statement, *arguments)

    async def close(self) -> None:
        """Finish what is under way, then let the connections go, the standby's too."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        for line in self._lines:
            await line.close()
        if self._standby is not None:
            await self._standby.close()


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
        # Nobody may be left to take it, which is no error.
        future.exception()
