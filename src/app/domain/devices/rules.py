"""Pure decisions about devices and hours: how many devices, when a push may be shown."""

import datetime as dt
import re
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

Platform = Literal["android", "ios", "web"]
# Bounds for who fills the table, which nobody else comes near to. Pushes go to so many devices of a user, those used
# last.
ACTIVE_DEVICES = 1000
# New tokens in a day: of one user, and from one address without an account (many phones share one at a carrier's).
NEW_A_DAY = 2000
NEW_ANONYMOUS_A_DAY = 2000
# What an application tells about its device, as JSON text.
INFO_BYTES = 4096

_HOUR = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


def is_hour(text: str) -> bool:
    """Whether it is HH:MM of a day of 24 hours."""
    return _HOUR.fullmatch(text) is not None


class Window(msgspec.Struct, frozen=True):
    """The hours in which pushes may be shown, on the shop's clock, to the minute; both ends are inside.

    An end before the start spans midnight. The same start and end are the whole day.
    """

    start: dt.time
    end: dt.time

    @classmethod
    def of(cls, start: str, end: str) -> "Window":
        """From HH:MM texts."""
        return cls(dt.time.fromisoformat(start), dt.time.fromisoformat(end))

    def allows(self, local: dt.time) -> bool:
        """Whether a push may be shown at this time of the shop's day."""
        minute = local.replace(second=0, microsecond=0, tzinfo=None)
        if self.start < self.end:
            return self.start <= minute <= self.end
        return self.start == self.end or minute >= self.start or minute <= self.end

    def is_open(self, now: dt.datetime, zone: ZoneInfo) -> bool:
        return self.allows(now.astimezone(zone).time())

    def next_open(self, now: dt.datetime, zone: ZoneInfo) -> dt.datetime:
        """`now` inside the hours, else the instant at which they begin again."""
        if self.is_open(now, zone):
            return now
        local = now.astimezone(zone)
        day = local.date() if local.time() < self.start else local.date() + dt.timedelta(days=1)
        # An hour that the clock skips begins where the clock goes on: the way over UTC says where.
        return dt.datetime.combine(day, self.start, zone).astimezone(dt.UTC)

    def next_close(self, now: dt.datetime, zone: ZoneInfo) -> dt.datetime:
        """The first instant after `now` at which the hours end; a day later for those that never end."""
        local = now.astimezone(zone)
        if self.start == self.end:
            return now + dt.timedelta(days=1)
        after = dt.datetime.combine(local.date(), self.end, zone) + dt.timedelta(minutes=1)
        day = local.date() if local < after else local.date() + dt.timedelta(days=1)
        return (dt.datetime.combine(day, self.end, zone) + dt.timedelta(minutes=1)).astimezone(dt.UTC)
