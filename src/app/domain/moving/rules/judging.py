"""How rows of another shop are judged. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

Row = Mapping[str, Any]


class Unfit(Exception):
    """A row breaks a rule of ours and stays where it is; the message says which."""


class Remark(msgspec.Struct, frozen=True):
    """What is to be said of a row, by its id in the source."""

    id: str
    reason: str


class Moved(msgspec.Struct):
    """What became of some rows: their ids and those of ours, what was left out, what was taken with a reservation."""

    ids: dict[Any, Any] = {}
    skipped: list[Remark] = []
    notes: list[Remark] = []

    def skip(self, row: Row, reason: object) -> None:
        self.skipped.append(Remark(str(row["id"]), str(reason)))

    def note(self, row: Row, reason: str | None) -> None:
        if reason:
            self.notes.append(Remark(str(row["id"]), reason))


def demand(fit: object, reason: str) -> None:
    """Raises Unfit unless it is so."""
    if not fit:
        raise Unfit(reason)


def words(row: Row, name: str) -> str:
    """A text, empty for one that is null or that the table has no column for."""
    return str(row.get(name) or "")


def money(row: Row, name: str) -> Decimal:
    """An amount, 0 for one that is null or that the table has no column for. Raises Unfit below 0 and for no number."""
    found = Decimal(row.get(name) or 0)
    if not found.is_finite() or found < 0:
        raise Unfit(f"{name} is {found}")
    return found


def one_of(row: Row, name: str, known: tuple[str, ...], default: str) -> str:
    """One of the known words. Raises Unfit for another."""
    found = words(row, name) or default
    if found not in known:
        raise Unfit(f"{name} {found!r} is not known here")
    return found


def given(row: Row, *names: str) -> dict[str, Any]:
    """Those columns that the row has with a value; the others are left to our defaults."""
    return {name: row[name] for name in names if row.get(name) is not None}
