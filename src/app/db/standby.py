"""Reads from a streaming replica that are as fresh as the primary's.

A request that follows a write, its client's own or somebody else's, has to see it, whichever process took the write and
whatever the client carries. So the primary is asked how far its log reaches, which touches no table and is asked once
for all who wait, and the replica is read as soon as it has replayed so much. A replica that does not get there quickly,
or that fails, leaves the read to the primary and is left alone for a moment. While the primary does not answer, what
the replica has is served as it is.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.db.engine import create_engine, session_maker
from app.db.line import Line
from app.db.pooling import PLANNED_ONCE, Way
from app.metrics import STANDBY_READS
from app.settings import Settings

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
LINES = 4
SECONDS = 15.0
MARK_SECONDS = 2.0
# As long as a read waits for the replica: a healthy one is a few milliseconds behind.
PATIENCE_SECONDS = 0.05
STEP_SECONDS = 0.002
# As long as it may take to say how far it is, a new connection included. A machine that is gone says nothing.
ANSWER_SECONDS = 0.5
# After it was late, and after it failed or was silent.
REST_SECONDS, AWAY_SECONDS = 1.0, 5.0
# Commits are acknowledged when they are flushed; what is only inserted may not be sent for a while.
_MARK = "SELECT CAST(pg_current_wal_flush_lsn() AS text)"
# One that was promoted replays no more; what it is asked then is the address's business, not ours.
_HAS = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= CAST(CAST($1 AS text) AS pg_lsn) AS has"
_HAS_TOO = text(_HAS.replace("$1", ":mark"))

log = structlog.get_logger("app.standby")


class Standby:
    """The replica of one process: lines for the storefront's lists, sessions for statistics."""

    def __init__(self, settings: Settings) -> None:
        """`settings.database_read_url` names it."""
        self._asking = Line(settings.way, name="relampago-marks", seconds=MARK_SECONDS)
        way = Way(settings.database_read_url, settings.database_pooler)
        self._lines = [
            Line(way, name="relampago-standby", seconds=SECONDS, settings=PLANNED_ONCE) for _ in range(LINES)
        ]
        self._free = asyncio.Queue[Line]()
        for line in self._lines:
            self._free.put_nowait(line)
        self._engine: AsyncEngine = create_engine(settings, name="relampago-standby", url=settings.database_read_url)
        self._sessions = session_maker(self._engine)
        self._next: asyncio.Future[str | None] | None = None
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting_until = 0.0

    async def fetch(self, statement: str, arguments: tuple[Any, ...]) -> list[asyncpg.Record] | None:
        """Rows that are no older than this call, or None when the primary has to be asked."""
        if self._rests():
            return None
        mark = await self.mark()
        line = await self._free.get()

        async def has() -> bool:
            return bool((await line.fetch(_HAS, mark))[0]["has"])

        try:
            if mark is None or await self._is_fresh(has):
                rows = await line.fetch(statement, *arguments)
                STANDBY_READS.labels("standby").inc()
                return rows
        except FAILURES as error:
            self._rest(type(error).__name__, AWAY_SECONDS)
        finally:
            self._free.put_nowait(line)
        STANDBY_READS.labels("primary").inc()
        return None

    @asynccontextmanager
    async def session(self, otherwise: AsyncSession) -> AsyncIterator[AsyncSession]:
        """A session for reading whose rows are no older than this call; `otherwise` when that is the primary's."""
        mark = None if self._rests() else await self.mark()
        if mark is None:
            yield otherwise
            return
        async with self._sessions() as session:

            async def has() -> bool:
                return bool(await session.scalar(_HAS_TOO, {"mark": mark}))

            fresh = False
            try:
                fresh = await self._is_fresh(has)
            except (SQLAlchemyError, *FAILURES) as error:
                self._rest(type(error).__name__, AWAY_SECONDS)
            STANDBY_READS.labels("standby" if fresh else "primary").inc()
            yield session if fresh else otherwise

    async def mark(self) -> str | None:
        """How far the primary's log reaches, asked after this call; None when the primary does not answer."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._ask(self._next))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        for line in (self._asking, *self._lines):
            await line.close()
        await self._engine.dispose()

    async def _ask(self, future: asyncio.Future[str | None]) -> None:
        """Whoever comes before the question is sent shares its answer."""
        async with self._turn:
            self._next = None
            try:
                found: str | None = (await self._asking.fetch(_MARK))[0][0]
            except FAILURES as error:
                log.warning("primary_silent", reason=type(error).__name__)
                found = None
        if not future.done():
            future.set_result(found)

    async def _is_fresh(self, has: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it gets there in time. Raises what `has` raises, and TimeoutError when it is silent."""
        until = time.monotonic() + PATIENCE_SECONDS
        async with asyncio.timeout(ANSWER_SECONDS):
            while not await has():
                if time.monotonic() >= until:
                    self._rest("late", REST_SECONDS)
                    return False
                await asyncio.sleep(STEP_SECONDS)
        return True

    def _rests(self) -> bool:
        return time.monotonic() < self._resting_until

    def _rest(self, reason: str, seconds: float) -> None:
        if not self._rests():
            log.warning("standby_rests", reason=reason)
        self._resting_until = time.monotonic() + seconds


@asynccontextmanager
async def reading(standby: Standby | None, otherwise: AsyncSession) -> AsyncIterator[AsyncSession]:
    """The standby's session where there is a standby."""
    if standby is None:
        yield otherwise
        return
    async with standby.session(otherwise) as session:
        yield session
