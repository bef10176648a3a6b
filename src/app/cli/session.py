"""How a command works with the database: one session, one transaction, refusals as messages on the terminal."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app import registry
from app.db import clock
from app.db.engine import create_engine, session_maker
from app.db.failures import app_error_of, sqlstate_of
from app.errors import AppError, Invalid, Unavailable
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from app.settings import Settings, load_settings

T = TypeVar("T")
NOT_MIGRATED = "The database lacks a table: run `make migrate` first."
_UNDEFINED_TABLE = "42P01"
UNREACHABLE = "The database does not answer: is it running, and is DATABASE_URL right?"


def run(work: Callable[[AsyncSession, Settings], Awaitable[T]]) -> T:
    """Run `work` in a transaction of the database that the settings name, and commit.

    Raises click.ClickException (exit code 1) with the message when it is refused or the database does not answer;
    nothing is stored then.
    """
    registry.load()
    announce(JOBS)
    try:
        return asyncio.run(_in_transaction(work, load_settings()))
    except AppError as error:
        raise click.ClickException(_message(error)) from error
    except (SQLAlchemyError, OSError) as error:
        if sqlstate_of(error) == _UNDEFINED_TABLE:
            raise click.ClickException(NOT_MIGRATED) from error
        known = app_error_of(error)
        if known is None:
            raise
        raise click.ClickException(UNREACHABLE if isinstance(known, Unavailable) else _message(known)) from error


async def _in_transaction(work: Callable[[AsyncSession, Settings], Awaitable[T]], settings: Settings) -> T:
    engine = create_engine(settings, name="relampago-cli", patient=True)
    try:
        await clock.ask(engine)
        async with session_maker(engine)() as session, session.begin():
            return await work(session, settings)
    finally:
        await engine.dispose()


def _message(error: AppError) -> str:
    if not isinstance(error, Invalid) or error.fields is None:
        return error.message
    return "; ".join(f"{path}: {message}" if path else message for path, message in _lines("", error.fields))


def _lines(path: str, messages: Any) -> Iterator[tuple[str, str]]:
    """Every message of a map of errors with the path of its field, as in `lines.1.quantity`."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _lines(f"{path}.{name}" if path else str(name), inner)
    elif isinstance(messages, list) and any(isinstance(each, Mapping | list) for each in messages):
        for number, inner in enumerate(messages):
            yield from _lines(f"{path}.{number}", inner)
    else:
        yield path, " ".join(map(str, messages)) if isinstance(messages, list) else str(messages)
