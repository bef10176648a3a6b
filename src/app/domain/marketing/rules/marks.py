"""Which discounts by weekday are marked as applied, and which are due to be marked."""

from typing import Any, Literal
from zoneinfo import ZoneInfo

from app.domain.pricing.rules.windows import Weekly, began, is_on


def window_of(row: Any) -> Weekly:
    """A row of the discounts as the clock reads it."""
    return Weekly(
        day=row.day_of_week,
        start=row.start_time,
        end=row.end_time,
        active=row.active,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        override=row.override,
        override_since=row.override_since,
        override_until=row.override_until,
    )


def is_marked(row: Any, zone: ZoneInfo) -> bool:
    """Whether a discount that is on has been marked since it went on."""
    return _was_applied(row) and bool(row.last_applied >= began(window_of(row), row.now, zone))


def due_of(row: Any, zone: ZoneInfo) -> Literal["apply", "remove"] | None:
    """How a discount is to be marked now: it is on and was not marked, or is off and was."""
    if is_on(window_of(row), row.now, zone):
        return None if is_marked(row, zone) else "apply"
    return "remove" if _was_applied(row) else None


def _was_applied(row: Any) -> bool:
    return row.last_applied is not None and (row.last_removed is None or row.last_removed < row.last_applied)
