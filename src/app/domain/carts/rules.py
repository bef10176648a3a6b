"""The states of a cart, when silence ends one, and how it is told of in words. Pure."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args
from uuid import UUID

import msgspec

Status = Literal["active", "abandoned", "recovered", "converted", "expired"]
STATUSES: tuple[Status, ...] = get_args(Status)
# What may still become an order.
LIVE: tuple[Status, ...] = ("active", "abandoned", "recovered")
TRANSITIONS: dict[Status, frozenset[Status]] = {
    "active": frozenset({"abandoned", "converted", "expired"}),
    "abandoned": frozenset({"active", "recovered", "converted", "expired"}),
    "recovered": frozenset({"active", "converted", "abandoned"}),
    "converted": frozenset({"active"}),
    "expired": frozenset({"active"}),
}
EXPIRES_AFTER_DAYS = 30
ANONYMOUS_ID_VERSION = 4

_HOUR, _DAY = 3600, 86_400
_VISIBLE_DIGITS = 2


def anonymous_id_of(text: str | UUID | None) -> UUID | None:
    """The id of an anonymous cart: a random UUID. None for anything else, also for one that could be guessed."""
    try:
        found = text if isinstance(text, UUID) else UUID(text or "")
    except ValueError:
        return None
    return found if found.version == ANONYMOUS_ID_VERSION else None


def in_spanish(span: dt.timedelta | None) -> str:
    """`5 horas`; minutes below an hour, days from two on. Empty without a span."""
    if span is None:
        return ""
    seconds = max(int(span.total_seconds()), 0)
    if seconds < _HOUR:
        return _counted(seconds // 60, "minuto", "minutos")
    if seconds < 2 * _DAY:
        return _counted(seconds // _HOUR, "hora", "horas")
    return _counted(seconds // _DAY, "día", "días")


def in_english_hours(span: dt.timedelta | None) -> str:
    """`2 hours`, to the nearest hour; `0 hours` without a span."""
    seconds = 0.0 if span is None else span.total_seconds()
    return _counted(int(seconds / _HOUR + 0.5), "hour", "hours")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def masked_email(email: str) -> str:
    """The first letter and the domain: `a***@example.com`."""
    name, at, domain = email.rpartition("@")
    return f"{name[:1]}***@{domain}" if at and name else ""


def masked_phone(phone: str) -> str:
    """The last two digits: `***34`."""
    digits = [char for char in phone if char.isdigit()]
    return f"***{''.join(digits[-_VISIBLE_DIGITS:])}" if len(digits) > 2 * _VISIBLE_DIGITS else ""


def who(name: str, email: str) -> str:
    """`Nombre (email)`, or as much of it as is known."""
    if name and email:
        return f"{name} ({email})"
    return name or email


class Line(msgspec.Struct, frozen=True):
    """Some units of one choice of a product."""

    product_id: int
    quantity: int
    variants: dict[str, str] | None = None
    label: str = ""

    @property
    def choice(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        """What two lines of the same thing have in common."""
        return self.product_id, tuple(sorted((self.variants or {}).items()))


def label_of(variants: Mapping[str, str] | None) -> str:
    """`Color: Rojo, Talle: S`."""
    return ", ".join(f"{variant}: {option}" for variant, option in (variants or {}).items())


def merged(own: Iterable[Line], older: Iterable[Line], free: Mapping[Any, int]) -> list[Line]:
    """One cart of two: what lies in both is added up, and nothing that came from the older one exceeds the stock.

    `free` says how many units of each choice can be sold. Lines of the newer cart alone stay as they are; a line of
    which nothing can be sold is left out.
    """
    added: dict[Any, int] = {}
    known: dict[Any, Line] = {}
    for line in older:
        added[line.choice] = added.get(line.choice, 0) + line.quantity
        known.setdefault(line.choice, line)
    result: list[Line] = []
    for line in own:
        more = added.pop(line.choice, 0)
        quantity = min(line.quantity + more, free.get(line.choice, 0)) if more else line.quantity
        result.append(msgspec.structs.replace(line, quantity=quantity))
    rest = [msgspec.structs.replace(known[key], quantity=min(units, free.get(key, 0))) for key, units in added.items()]
    return [line for line in (*result, *rest) if line.quantity > 0]


def percentage(part: int, whole: int) -> float:
    """A part of a whole in percent, of two places; 0 of nothing."""
    return round(part / whole * 100, 2) if whole else 0.0
