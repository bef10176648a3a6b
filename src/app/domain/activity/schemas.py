"""What the audit log looks like to staff."""

import datetime as dt
from typing import Any

import msgspec


class ActivityEntry(msgspec.Struct, frozen=True):
    """One thing that was done. `changes` maps a field to its old and its new value."""

    id: int
    user: int | None
    user_username: str | None
    action: str
    description: str
    content_type: int | None
    content_type_name: str | None
    object_id: str
    changes: dict[str, Any]
    timestamp: dt.datetime
    ip_address: str | None


class ActivityStats(msgspec.Struct, frozen=True):
    """Counts. `today` is the shop's day, the last seven days end now."""

    total: int
    by_action: dict[str, int]
    by_content_type: dict[str, int]
    today: int
    last_7_days: int


class ActivityFilters(msgspec.Struct, frozen=True):
    """Which entries are asked for; None is any. `until` is the first instant that is too late."""

    action: str | None = None
    user_id: int | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    content_type: str | None = None
    object_id: str | None = None
    description: str | None = None
