"""Query parameters as django-filter reads them: of a repeated name the last counts, an empty one is absent."""

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar.connection import ASGIConnection

from app.errors import Invalid, NotFound, Refused
from app.http.fields import INT8_MAX, NUL

Connection = ASGIConnection[Any, Any, Any, Any]
MAX_TEXT = 200
_MOST = Decimal(10) ** 15
_TRUE, _FALSE = frozenset({"true", "True", "1"}), frozenset({"false", "False", "0"})


def text_of(request: Connection, name: str) -> str | None:
    """Trimmed text. Raises Invalid for what the database cannot hold; what is too long to match anything is cut."""
    values = request.query_params.getall(name, [])
    text = str(values[-1]).strip() if values else ""
    if "\x00" in text:
        raise Invalid.field(name, NUL)
    return text[:MAX_TEXT] or None


def flag_of(request: Connection, name: str) -> bool | None:
    """true, True, 1, false, False or 0. Raises Invalid for anything else."""
    text = text_of(request, name)
    if text is not None and text not in _TRUE | _FALSE:
        raise Invalid.field(name, "Must be a valid boolean.")
    return None if text is None else text in _TRUE


def choice_of(request: Connection, name: str, choices: Sequence[str]) -> str | None:
    """One of the choices. Raises Invalid for anything else."""
    text = text_of(request, name)
    if text is not None and text not in choices:
        message = f"Select a valid choice. {text[:100]} is not one of the available choices."
        raise Invalid.field(name, message)
    return text


def number_of(request: Connection, name: str) -> Decimal | None:
    """A plain decimal number. Raises Invalid for anything else; one that no amount can be is beyond every amount."""
    text = text_of(request, name)
    if text is None:
        return None
    if not re.fullmatch(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", text, re.ASCII):
        raise Invalid.field(name, "Enter a number.")
    return max(min(Decimal(text), _MOST), -_MOST)


def id_of(request: Connection, name: str) -> int | None:
    """A row's id. Raises Invalid for what is no number; a number that no id can be matches nothing."""
    text = text_of(request, name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]+", text, re.ASCII):
        raise Invalid.field(name, "Enter a number.")
    return min(int(text), INT8_MAX)


def uuid_of(text: str) -> UUID:
    """The key that a path names. Raises NotFound for what is none: rights have been looked at by then."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", text, re.ASCII):
        raise NotFound
    return UUID(text)


def required_id_of(request: Connection, name: str) -> int:
    """A row's id without which there is no answer. Raises Refused when it is missing or no number."""
    try:
        value = id_of(request, name)
    except Invalid as error:
        raise Refused(f"{name} must be a number.") from error
    if value is None:
        raise Refused(f"{name} is required.")
    return value


def date_of(request: Connection, name: str) -> dt.date | None:
    """A day, `YYYY-MM-DD`. Raises Invalid for anything else."""
    text = text_of(request, name)
    if text is None:
        return None
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise Invalid.field(name, "Enter a valid date.")


def day_range_of(
    request: Connection, first: str, last: str, zone: ZoneInfo
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The instants from which and before which a row lies in the days asked for, both included; None is no bound."""
    since, until = date_of(request, first), date_of(request, last)
    return (
        None if since is None else start_of(since, zone),
        None if until is None else start_of(until, zone, days_later=1),
    )


def start_of(day: dt.date, zone: ZoneInfo, days_later: int = 0) -> dt.datetime:
    """A day's first instant. One at the ends of the calendar, which no zone can move, is moved to where it can be."""
    day = min(max(day, dt.date(2, 1, 1)), dt.date(9998, 1, 1))
    return dt.datetime.combine(day + dt.timedelta(days=days_later), dt.time(), zone)
