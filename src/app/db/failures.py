"""From what the database says to what the client reads."""

import re
from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import AppError, BadState, Conflict, Invalid, Unavailable

# SQLSTATE classes: see appendix A of PostgreSQL's manual.
_BUSY = {"40001", "40P01", "55P03", "57014"}
_DOWN = ("08", "53", "57P", "58")
_BAD_INPUT = ("22",)
# Our own functions refuse a change in the client's words; the error's detail is the code.
_REFUSED = "RL400"


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE that a driver's or SQLAlchemy's error carries, if it came from the server."""
    seen: BaseException | None = error
    while seen is not None:
        state = getattr(seen, "sqlstate", None) or getattr(seen, "pgcode", None)
        if state:
            return str(state)
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None


def constraint_of(error: BaseException) -> str:
    """The name of the constraint that an integrity error broke, or an empty text."""
    seen: BaseException | None = error
    while seen is not None:
        if name := getattr(seen, "constraint_name", None):
            return str(name)
        seen = getattr(seen, "orig", None) or seen.__cause__
    match = re.search(r'constraint "([^"]+)"', str(error))
    return match[1] if match else ""


def _of_server(error: BaseException, name: str) -> str | None:
    """What the server's own error says, below whatever wraps it."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, asyncpg.PostgresError):
            value = getattr(seen, name, None)
            return None if value is None else str(value)
        seen = getattr(seen, "orig", None) or seen.__cause__
    return None


def app_error_of(error: BaseException) -> AppError | None:
    """The answer to a database error, or None when it is a defect of ours."""
    state = sqlstate_of(error)
    if state is None:
        return _without_state(error)
    if state == _REFUSED:
        return BadState(_of_server(error, "message"), code=_of_server(error, "detail"))
    if state in _BUSY or state.startswith(_DOWN):
        return Unavailable()
    if state.startswith(_BAD_INPUT):
        return Invalid("A value is out of range or malformed.")
    if state == "23505":
        return Conflict("An object with these values already exists.", code="duplicate")
    if state == "23503":
        return Conflict("The object is referenced by, or refers to, another one.", code="reference")
    if state in {"23514", "23502", "23P01"}:
        return Invalid("A value is out of range or malformed.")
    return None


def _without_state(error: BaseException) -> AppError | None:
    """A connection that could not be had or broke, or a value that the driver could not encode."""
    if isinstance(error, PoolTimeout | InterfaceError | OperationalError | OSError | TimeoutError):
        return Unavailable()
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Unavailable()
    original = getattr(error, "orig", None) or error
    if type(original).__module__.startswith("asyncpg"):
        return Invalid("A value is out of range or malformed.") if "Data" in type(original).__name__ else Unavailable()
    if isinstance(error, StatementError) and isinstance(error.orig, ValueError | OverflowError):
        return Invalid("A value is out of range or malformed.")
    return None


def is_one_calls_fault(error: Exception) -> bool:
    """Whether one call of a batch may be to blame: the server refused the statement and can be asked again."""
    return isinstance(error, asyncpg.PostgresError) and not str(error.sqlstate).startswith(("08", "53", "57"))


def field_error_of(error: BaseException, messages: Mapping[str, tuple[str, str]]) -> Invalid | None:
    """The 400 of a broken constraint: `messages` maps a constraint's name to (field, message)."""
    known: Any = messages.get(constraint_of(error))
    return Invalid.field(*known) if known else None
