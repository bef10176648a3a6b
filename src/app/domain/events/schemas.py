"""Events on the wire."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec


class Event(msgspec.Struct, frozen=True):
    """One change. `number` is its place in the feed, `data` the object as the change left it."""

    number: int
    id: UUID
    type: str
    object_id: int
    happened_at: dt.datetime
    data: dict[str, Any]


class Feed(msgspec.Struct, frozen=True):
    """Events after a number. `after` is where to go on; `oldest` the lowest number that is still kept, if any is."""

    results: Sequence[Event]
    after: int
    has_more: bool
    oldest: int | None
