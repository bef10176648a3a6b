"""How long a commit is waited for, and what becomes of one that nobody waits for any more.

With synchronous replicas a commit waits until one of them has it, and for ever while none is there. It must not be
cancelled: PostgreSQL would then let it stand on the primary alone, for everybody to see, and a failover would lose what
somebody has been told of. So who has waited enough is answered that nobody knows, and the connection is left to its
commit, which ends when a replica is back. Each of them takes a place at the server: while some have waited there for
long, whoever else has something to commit is refused before, and whoever only reads notices nothing.
"""

import asyncio
import datetime as dt
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
import structlog

log = structlog.get_logger("app.db")

COMMIT_SECONDS = 3.0
# From here on a commit counts as one that waits; they are usually a thousand times quicker.
SLOW_SECONDS = 1.0
_COMMIT = "COMMIT;"
# The driver's own bound cancels.
_FOREVER = dt.timedelta(days=365).total_seconds()
# Four of all processes together; more when they all find out at the same moment.
_CROWDED = """
    SELECT count(*) >= 4 FROM pg_stat_activity
     WHERE usename = current_user AND wait_event = 'SyncRep' AND state_change < clock_timestamp() - interval '1 s'
"""
_CHANGED = f"SELECT pg_current_xact_id_if_assigned() IS NOT NULL AND ({_CROWDED})"
# What takes long in this process, or was left to itself. While it is empty, nobody asks who waits.
_slow: set[asyncio.Future[Any]] = set()
T = TypeVar("T")


class Refused(TimeoutError):
    """Nothing was done: a commit would have had to wait for a replica."""

    def __init__(self) -> None:
        super().__init__("commits wait for a replica")


class Connection(asyncpg.Connection):  # type: ignore[misc] # the driver's is Any
    """The driver's connection, whose commits are waited for in this way. One that was left counts as closed."""

    __slots__ = ("_is_bound", "_is_left")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Somebody waits for what it does now, and will leave it.
        self._is_bound = False
        self._is_left = False

    @property
    def patience(self) -> float:
        """Seconds for which a commit is waited for."""
        return COMMIT_SECONDS

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 - the driver's
        """The driver's; COMMIT raises TimeoutError when it takes too long, and Refused where it would."""
        if query != _COMMIT:
            return str(await super().execute(query, *args, timeout=timeout))
        if self._is_bound:
            return str(await super().execute(query, timeout=_FOREVER))
        if _slow:
            await self._ask()
        return await self.in_time(super().execute(query, timeout=_FOREVER), self.patience)

    async def _ask(self) -> None:
        """Whether to commit. Raises Refused when it would have to wait; nothing of the transaction stands then."""
        try:
            if waits := await self.fetchval(_CHANGED):
                await super().execute("ROLLBACK;")
        except asyncpg.InFailedSQLTransactionError:
            return  # its commit is a rollback
        except BaseException:
            # A transaction that failed just now would be rolled back by a commit that says nothing of it.
            self.terminate()
            raise
        if waits:
            raise Refused

    async def in_time(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """What it gives. Raises what it raises, and TimeoutError when it is left to itself."""
        running = asyncio.ensure_future(work)
        running.add_done_callback(self._end)
        self._is_bound = True
        try:
            await asyncio.wait({running}, timeout=min(seconds, SLOW_SECONDS))
            if not running.done():
                _slow.add(running)
                await asyncio.wait({running}, timeout=max(seconds - SLOW_SECONDS, 0))
        finally:
            self._is_bound = self._is_left = not running.done()
            if self._is_left:
                _slow.add(running)
        if self._is_left:
            log.warning("commit_left", left=len(_slow))
            raise TimeoutError("a commit was not waited for any longer")
        return running.result()

    def _end(self, running: asyncio.Future[Any]) -> None:
        _slow.discard(running)
        if not running.cancelled():
            running.exception()  # nobody may be there to be told
        if self._is_left:
            super().terminate()

    def is_closed(self) -> bool:
        return self._is_left or super().is_closed()

    def terminate(self) -> None:
        """Nothing, while its commit goes on: that ends with the connection's end."""
        if not self._is_left:
            super().terminate()

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's
        """The same."""
        if not self._is_left:
            await super().close(timeout=timeout)


class PatientConnection(Connection):
    """A command's: who sits before it may wait for a commit for as long as it takes, and wants to know."""

    __slots__ = ()

    @property
    def patience(self) -> float:
        return _FOREVER


async def must_wait(connection: asyncpg.Connection) -> bool:
    """Whether who writes now would have to wait for a replica, as far as this process can know."""
    return bool(_slow) and bool(await connection.fetchval(_CROWDED))
