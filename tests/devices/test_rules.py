"""The hours in which pushes may be shown, with the clock as an argument."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.devices.rules import Window, is_hour

SHOP = ZoneInfo("America/Argentina/Buenos_Aires")
NEW_YORK = ZoneInfo("America/New_York")
DAY = ("08:00", "22:00")
NIGHT = ("22:00", "06:30")
MINUTE = dt.timedelta(minutes=1)


def at(text: str, zone: ZoneInfo = SHOP) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("hours", "time", "allowed"),
    [
        (DAY, "07:59:59", False),
        (DAY, "08:00", True),
        (DAY, "15:00", True),
        (DAY, "22:00:59.999999", True),
        (DAY, "22:01", False),
        (DAY, "00:00", False),
        (NIGHT, "21:59:59", False),
        (NIGHT, "22:00", True),
        (NIGHT, "23:59:59", True),
        (NIGHT, "00:00", True),
        (NIGHT, "06:30:30", True),
        (NIGHT, "06:31", False),
        (NIGHT, "12:00", False),
        (("00:00", "23:59"), "23:59:59.999999", True),
        (("00:00", "23:59"), "00:00", True),
        (("09:00", "09:00"), "03:00", True),
        (("09:00", "09:00"), "09:00", True),
    ],
)
def test_both_ends_are_inside_to_the_minute(hours: tuple[str, str], time: str, allowed: bool) -> None:
    assert Window.of(*hours).allows(dt.time.fromisoformat(time)) is allowed


@pytest.mark.parametrize(
    ("hours", "now", "opens", "closes"),
    [
        (DAY, "2026-11-22T10:00", "2026-11-22T10:00", "2026-11-22T22:01"),
        (DAY, "2026-11-22T22:00:30", "2026-11-22T22:00:30", "2026-11-22T22:01"),
        (DAY, "2026-11-22T22:01", "2026-11-23T08:00", "2026-11-23T22:01"),
        (DAY, "2026-11-22T03:00", "2026-11-22T08:00", "2026-11-22T22:01"),
        (DAY, "2026-12-31T23:30", "2027-01-01T08:00", "2027-01-01T22:01"),
        (NIGHT, "2026-11-22T12:00", "2026-11-22T22:00", "2026-11-23T06:31"),
        (NIGHT, "2026-11-22T23:00", "2026-11-22T23:00", "2026-11-23T06:31"),
        (NIGHT, "2026-11-23T01:00", "2026-11-23T01:00", "2026-11-23T06:31"),
        (("00:00", "23:59"), "2026-11-22T23:59:59", "2026-11-22T23:59:59", "2026-11-23T00:00"),
    ],
)
def test_when_the_hours_begin_and_end(hours: tuple[str, str], now: str, opens: str, closes: str) -> None:
    window = Window.of(*hours)
    assert window.next_open(at(now), SHOP) == at(opens)
    assert window.next_close(window.next_open(at(now), SHOP), SHOP) == at(closes)


def test_the_hours_are_those_of_the_shops_clock() -> None:
    noon_in_utc = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    assert Window.of("09:00", "09:30").is_open(noon_in_utc, SHOP)
    assert not Window.of("09:00", "09:30").is_open(noon_in_utc, ZoneInfo("UTC"))


def test_hours_that_never_end_are_open_for_a_day_more() -> None:
    now = at("2026-11-22T12:00")
    assert Window.of("05:00", "05:00").next_close(now, SHOP) == now + dt.timedelta(days=1)


def test_an_hour_that_the_clock_skips_begins_where_the_clock_goes_on() -> None:
    window = Window.of("02:30", "10:00")
    opens = window.next_open(at("2026-03-08T01:00", NEW_YORK), NEW_YORK)
    assert opens == dt.datetime(2026, 3, 8, 7, 30, tzinfo=dt.UTC)
    assert window.is_open(opens, NEW_YORK)


times = st.times().map(lambda time: f"{time:%H:%M}")
seconds = st.integers(0, 2 * 366 * 24 * 3600)
instants = seconds.map(lambda count: dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=count))


@given(times, times, instants)
def test_a_push_that_waits_leaves_inside_the_hours_and_before_they_end(start: str, end: str, now: dt.datetime) -> None:
    window = Window.of(start, end)
    opens = window.next_open(now, SHOP)
    assert window.is_open(opens, SHOP)
    assert now <= opens <= now + dt.timedelta(days=1)
    closes = window.next_close(opens, SHOP)
    assert opens < closes <= opens + dt.timedelta(days=1, minutes=1)
    assert window.is_open(closes - dt.timedelta(microseconds=1), SHOP)
    if window.start != window.end and (window.end.hour * 60 + window.end.minute + 1) % 1440 != (
        window.start.hour * 60 + window.start.minute
    ):
        assert not window.is_open(closes, SHOP)


@pytest.mark.parametrize(
    "text", ["8:00", "08:00:00", "24:00", "08:60", "0800", "08:0", "", "\u0660\u0668:\u0660\u0660", "08:00\n", "-1:00"]
)
def test_what_is_no_hour(text: str) -> None:
    assert not is_hour(text)


def test_what_is_an_hour() -> None:
    assert all(is_hour(text) for text in ("00:00", "08:05", "19:59", "23:59"))
