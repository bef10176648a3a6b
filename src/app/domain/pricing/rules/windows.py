"""When a discount by weekday is on, by the shop's clock.

It is on while the clock on the wall shows a time within its window: on the day of a change of the clock in both hours
that are shown twice, and never in one that is skipped. `discount_is_on` in the database says the same.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

import msgspec

DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
# From this time on an end is the end of the day.
END_OF_DAY = dt.time(23, 59, 59)
# Far enough to find the next occurrence of a weekday whose window is skipped by a change of the clock.
LOOK_AHEAD = 15


class Weekly(msgspec.Struct, frozen=True):
    """A window on one weekday, 0 is Monday; one that ends before it starts goes on into the next day.

    `override` is what was decided by hand, `applied` or `removed`; it counts until `override_until`.
    """

    day: int
    start: dt.time
    end: dt.time
    active: bool = True
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None
    override: str | None = None
    override_since: dt.datetime | None = None
    override_until: dt.datetime | None = None

    @property
    def overnight(self) -> bool:
        return self.end < self.start

    def falls_on(self, date: dt.date) -> bool:
        """Whether it begins on this date."""
        return (
            date.weekday() == self.day
            and (self.valid_from is None or date >= self.valid_from)
            and (self.valid_until is None or date <= self.valid_until)
        )


def is_on(window: Weekly, at: dt.datetime, zone: ZoneInfo) -> bool:
    """Whether the discount holds at an instant."""
    if is_overridden(window, at):
        return window.override == "applied"
    return window.active and is_within(window, at.astimezone(zone))


def is_overridden(window: Weekly, at: dt.datetime) -> bool:
    """Whether what was decided by hand counts at an instant."""
    return window.override is not None and (window.override_until is None or window.override_until > at)


def is_within(window: Weekly, local: dt.datetime) -> bool:
    """Whether the shop's clock, showing this, is within the window."""
    time, date = local.time(), local.date()
    if time >= window.start and window.falls_on(date):
        return window.overnight or time < window.end or window.end >= END_OF_DAY
    return window.overnight and time < window.end and window.falls_on(date - DAY)


def next_change(window: Weekly, after: dt.datetime, zone: ZoneInfo) -> dt.datetime | None:
    """The first instant after another at which the discount goes on or off; None when it never will."""
    now = is_on(window, after, zone)
    edges = (edge for edge in edges_after(window, after, zone) if is_on(window, edge, zone) != now)
    return next(edges, None)


def next_edge(window: Weekly, after: dt.datetime, zone: ZoneInfo) -> dt.datetime | None:
    """The window's own next start or end, whatever was decided by hand and whether or not it is active."""
    plain = msgspec.structs.replace(window, active=True, override=None, override_since=None, override_until=None)
    return next_change(plain, after, zone)


def began(window: Weekly, at: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Since when a discount that is on at an instant has been on."""
    if window.override_since is not None and is_overridden(window, at):
        return window.override_since
    local = at.astimezone(zone)
    date = local.date() if local.time() >= window.start and window.falls_on(local.date()) else local.date() - DAY
    return min(*_instants(date, window.start, zone), at)


def spans(
    window: Weekly, since: dt.datetime, until: dt.datetime, zone: ZoneInfo
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """When the discount is on between two instants: starts and ends, cut at both."""
    start = since if is_on(window, since, zone) else next_change(window, since, zone)
    while start is not None and start < until:
        end = next_change(window, start, zone)
        yield start, until if end is None or end > until else end
        start = None if end is None else next_change(window, end, zone)


def edges_after(window: Weekly, after: dt.datetime, zone: ZoneInfo) -> list[dt.datetime]:
    """Instants after another at which the discount may change, in order: the next one at least is among them."""
    edges = {window.override_until} if window.override_until is not None else set()
    for date in _dates(window, after.astimezone(zone).date()):
        ends = window.end >= END_OF_DAY or window.overnight
        edges.update(_instants(date, window.start, zone))
        closing = dt.time() if window.end >= END_OF_DAY else window.end
        edges.update(_instants(date + DAY if ends else date, closing, zone))
        edges.update(_clock_changes(date, zone))
    return sorted(edge for edge in edges if edge > after)


def _dates(window: Weekly, today: dt.date) -> Iterable[dt.date]:
    """The next dates on which the window falls, from yesterday on."""
    first = today - DAY
    if window.valid_from is not None and window.valid_from > first:
        first = window.valid_from
    first += DAY * ((window.day - first.weekday()) % 7)
    dates = (first + DAY * days for days in range(0, LOOK_AHEAD, 7))
    return [date for date in dates if window.falls_on(date)]


def _instants(date: dt.date, time: dt.time, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    """When the clock shows a time of a day; a time that is shown twice has two instants."""
    shown = dt.datetime.combine(date, time, zone)
    return shown.astimezone(dt.UTC), shown.replace(fold=1).astimezone(dt.UTC)


def _clock_changes(date: dt.date, zone: ZoneInfo) -> list[dt.datetime]:
    """The change of the clock in the day or the next, if there is one, to the second."""
    low = dt.datetime.combine(date, dt.time(), dt.UTC) - DAY
    high = low + 4 * DAY
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        return []
    second = dt.timedelta(seconds=1)
    while high - low > second:
        middle = low + dt.timedelta(seconds=(high - low) // second // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return [high]
