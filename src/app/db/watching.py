"""A value that every process has at hand: read when it changes, not when it is asked for.

The database tells of a change at its commit (a trigger's `pg_notify`); each process listens on a connection of its
own and reads again. Between changes nothing is read, but for one look each few seconds, in case a message was lost.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import asyncpg
import structlog

log = structlog.get_logger("app.watching")

T = TypeVar("T")
LOOK_SECONDS = 5.0
CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 5.0
# How long the start waits for the first look; a database that is away does not keep the process from starting.
FIRST_LOOK_SECONDS = 3.0
# The driver calls it an error of its own when a connection is cut under it.
FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class Watch(Generic[T]):
    """The newest known value. While the database is away the last one stands."""

    def __init__(
        self, dsn: str, *, channel: str, statement: str, read: Callable[[asyncpg.Record | None], T], unknown: T
    ) -> None:
        """`read` makes the value of the statement's only row, or of None; `unknown` stands until the first look."""
        self.value = unknown
        self._dsn = dsn
        self._channel = channel
        self._statement = statement
        self._read = read
        self._told = asyncio.Event()
        self._looked = asyncio.Event()
        self._looking = asyncio.Lock()
        self._others: dict[str, Callable[[str], None]] = {}
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._looked.wait(), FIRST_LOOK_SECONDS)

    def also(self, channel: str, hear: Callable[[str], None]) -> None:
        """Before the start: hear another channel's messages on the same connection, so that a process has one.

        An empty message says that some may have been missed.
        """
        self._others[channel] = hear

    async def look(self) -> None:
        """Read now. What cannot be read leaves the value as it is."""
        try:
            await self._look()
        except FAILURES as error:
            log.warning("watch_failed", channel=self._channel, reason=type(error).__name__)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._drop()

    async def _run(self) -> None:
        while True:
            self._told.clear()
            try:
                await self.look()
            except Exception:
                # A row that nobody can read, say: the value stands, and is looked at again, not at once over and over.
                log.exception("watch_broken", channel=self._channel)
                await asyncio.sleep(LOOK_SECONDS)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), LOOK_SECONDS)

    async def _look(self) -> None:
        async with self._looking:
            try:
                connection = await self._listening()
                row = await connection.fetchrow(self._statement, timeout=STATEMENT_SECONDS)
            except BaseException:
                await self._drop()
                raise
            self.value = self._read(row)
            self._looked.set()

    async def _listening(self) -> asyncpg.Connection:
        """The connection, listening: what is committed after this is either read now or told of."""
        if self._connection is None or self._connection.is_closed():
            settings = {"application_name": f"relampago-{self._channel}", "jit": "off", "timezone": "UTC"}
            self._connection = await asyncpg.connect(self._dsn, timeout=CONNECT_SECONDS, server_settings=settings)
            await self._connection.add_listener(self._channel, self._hear)
            # Whoever cuts the connection may have kept a message from us.
            self._connection.add_termination_listener(self._hear)
            for channel, hear in self._others.items():
                await self._connection.add_listener(channel, _payload_to(hear))
                hear("")
        return self._connection

    def _hear(self, *_: Any) -> None:
        self._told.set()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            # It is us who end it: nothing was kept from us, and a statement that fails is not to be sent again at once.
            connection.remove_termination_listener(self._hear)
            connection.terminate()


def _payload_to(hear: Callable[[str], None]) -> Callable[..., None]:
    def heard(_connection: Any, _process: int, _channel: str, payload: str) -> None:
        hear(payload)

    return heard
