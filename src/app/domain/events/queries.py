"""Statements of the event feed; what notes and numbers events is in alembic/sql/events_1.sql."""

from typing import Any

from sqlalchemy import Select, select, text

from app.domain.events.models import Event

# The key of the lock under which events get their numbers; it is held until the commit.
NUMBERING = 7_120_001

WAITS = text("SELECT EXISTS (SELECT FROM event_outbox)")
LOCK = text(f"SELECT pg_try_advisory_xact_lock({NUMBERING})")
NUMBER = text("SELECT number FROM event_number(:limit)")
TELL_PROMOS = text("SELECT event_promo_clock(:limit)")
OLDEST = text("SELECT min(number) FROM events")


def feed(after: int, limit: int, kind: str | None) -> Select[Any]:
    """The events that follow a number, one more than the limit, so that it shows whether there are more."""
    wanted = [Event.number > after]
    if kind is not None:
        wanted.append(Event.type == kind)
    columns = (Event.number, Event.id, Event.type, Event.object_id, Event.happened_at, Event.data)
    return select(*columns).where(*wanted).order_by(Event.number).limit(limit + 1)
