"""Which days a question of statistics is about, and how a period compares with the one before."""

import calendar
import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

import msgspec

from app.errors import Invalid

PeriodName = Literal["day", "week", "month", "year"]
Step = Literal["day", "month"]
PERIODS: tuple[PeriodName, ...] = ("day", "week", "month", "year")
# No answer holds more points than this.
MAX_DAYS, MAX_YEARS = 3 * 366, 100
FIRST_DAY, LAST_DAY = dt.date(1000, 1, 1), dt.date(9000, 12, 31)
ONE_DAY = dt.timedelta(days=1)
CENT = Decimal("0.01")


class Period(msgspec.Struct, frozen=True):
    """Days from `first` to `last`, both included, and where the equally long period before them begins."""

    name: PeriodName
    first: dt.date
    last: dt.date
    before: dt.date

    @property
    def is_empty(self) -> bool:
        return self.last < self.first

    @property
    def step(self) -> Step:
        """By which its timeline goes: months for a year, and where days would be too many."""
        too_many = (self.last - self.first).days > MAX_DAYS
        return "month" if self.name == "year" or too_many else "day"

    def points(self) -> list[dt.date]:
        """The first day of every step, without a gap; the first step begins with the period."""
        days = []
        day = self.first
        while day <= self.last:
            days.append(day)
            day = day + ONE_DAY if self.step == "day" else _months_later(day.replace(day=1), 1)
        return days


def period_of(name: PeriodName, today: dt.date, first: dt.date | None, last: dt.date | None) -> Period:
    """The days asked for: two dates, one date and a period's length, or the calendar's period of today.

    The wrong way round they are no days at all. Raises Invalid for more days than an answer can hold.
    """
    if first is None and last is None:
        first, last, before = _of_calendar(name, today)
        return Period(name, first, last, before)
    first, last = (None if day is None else min(max(day, FIRST_DAY), LAST_DAY) for day in (first, last))
    if first is None and last is not None:
        first = _steps_from(name, last + ONE_DAY, -1)
    elif last is None and first is not None:
        last = _steps_from(name, first, 1) - ONE_DAY
    if first is None or last is None:
        raise ValueError("one of the two dates was there")
    if last.year - first.year > MAX_YEARS:
        raise Invalid.field("end_date", f"Ask for at most {MAX_YEARS} years.")
    return Period(name, first, last, first - max(last - first + ONE_DAY, ONE_DAY))


def change(now: Decimal | int, before: Decimal | int) -> float:
    """By how many per cent something has changed; 100 from nothing to something, 0 from nothing to nothing."""
    if not before:
        return 100.0 if now else 0.0
    return float(((Decimal(now) - Decimal(before)) * 100 / Decimal(before)).quantize(CENT, ROUND_HALF_UP))


def average(net: Decimal, paid: int) -> float:
    """What a paid order brought, to the cent; 0 without any."""
    return float((net / paid).quantize(CENT, ROUND_HALF_UP)) if paid else 0.0


def _of_calendar(name: PeriodName, today: dt.date) -> tuple[dt.date, dt.date, dt.date]:
    """First and last day of the day, week (from Monday), month or year of today, and the first of the one before."""
    first = {
        "day": today,
        "week": today - dt.timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
    }[name]
    return first, _steps_from(name, first, 1) - ONE_DAY, _steps_from(name, first, -1)


def _steps_from(name: PeriodName, day: dt.date, count: int) -> dt.date:
    if name in ("day", "week"):
        return day + count * dt.timedelta(days=1 if name == "day" else 7)
    return _months_later(day, count * (1 if name == "month" else 12))


def _months_later(day: dt.date, count: int) -> dt.date:
    """The same day of another month, or its last one."""
    months = day.year * 12 + day.month - 1 + count
    year, month = divmod(months, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, calendar.monthrange(year, month + 1)[1]))
