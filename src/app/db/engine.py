"""The engine, and one place that says how connections are set up."""

from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.db.addresses import with_driver
from app.db.commits import Connection, PatientConnection
from app.db.pooling import engine_arguments
from app.metrics import POOL_WAIT
from app.settings import Settings

POOL_WAIT_SECONDS = 5
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 15


class TimedPool(AsyncAdaptedQueuePool):
    """Says how long a connection was waited for, its opening included."""

    def _do_get(self) -> Any:
        with POOL_WAIT.time():
            return super()._do_get()


def create_engine(
    settings: Settings,
    *,
    name: str = "relampago-api",
    url: str = "",
    seconds: float = STATEMENT_SECONDS,
    patient: bool = False,
) -> AsyncEngine:
    """A pool of asyncpg connections. Waiting for one is bounded, so that overload is an answer and not a queue.

    `url` is another database than the primary; `seconds` bounds each statement, a moment each commit unless `patient`.
    """
    engine = create_async_engine(
        with_driver(url) if url else settings.sqlalchemy_url,
        poolclass=TimedPool,
        pool_size=settings.db_pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_recycle=1800,
        hide_parameters=True,  # they would stand in the log's tracebacks
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": seconds,
            "connection_class": PatientConnection if patient else Connection,
            **engine_arguments(settings.database_pooler, name),
        },
    )
    event.listen(engine.sync_engine, "handle_error", _note_broken_connection)
    event.listen(engine.sync_engine, "checkout", _let_go_of_a_closed_one)
    return engine


def _let_go_of_a_closed_one(connection: Any, _record: object, _proxy: object) -> None:
    """What the server has ended while it lay in the pool is known to the driver, without asking: another is opened."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _note_broken_connection(context: ExceptionContext) -> None:
    """When the server ends a connection between two calls, asyncpg reports to the second one an error of its own state.

    SQLAlchemy takes that for an error of the statement: told, it lets the connection go, and all that are as old.
    """
    seen: BaseException | None = context.original_exception
    while seen is not None:
        if isinstance(seen, asyncpg.InternalClientError):
            context.is_disconnect = True
            return
        seen = seen.__cause__


def session_maker(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
