"""Answers that a process keeps, good for as long as the row that every change of the catalogue marks says so.

All processes ask the same row, so that a commit ends what any of them keeps. An answer also ends at an instant by the
database's clock: its age, or the next moment at which time alone changes it.
"""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import asyncpg
import msgspec

from app.db.reads import Reads

T = TypeVar("T")
VERSION = "SELECT (SELECT changed_by FROM catalogue_version) AS version, clock_timestamp() AS now"


class Made(msgspec.Struct, Generic[T], frozen=True):
    """Something worth keeping, and until when by the database's clock."""

    content: T
    until: dt.datetime


class _Entry(msgspec.Struct, Generic[T], frozen=True):
    version: str
    made: Made[T]


class Kept:
    """What one process keeps, by name."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._entries: dict[str, _Entry[object]] = {}

    async def get(self, name: str, make: Callable[[], Awaitable[Made[T]]]) -> T:
        """What is kept under a name, made anew when it is over.

        The mark is read before the content: what a commit between the two brings is content too new for its mark, and
        made once more.
        """
        version, now = await self._reads.fetch(VERSION, (), _only_row)
        entry = self._entries.get(name)
        if entry is not None and entry.version == version and now < entry.made.until:
            kept: T = entry.made.content  # type: ignore[assignment]
            return kept
        made = await make()
        # Without a mark nothing was ever changed, and two empty shops look alike.
        if version is not None:
            self._entries[name] = _Entry(version, made)  # type: ignore[arg-type]
        return made.content


def _only_row(rows: list[asyncpg.Record]) -> tuple[str | None, dt.datetime]:
    return rows[0]["version"], rows[0]["now"]
