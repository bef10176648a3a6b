"""Which days a question is about, and how periods compare."""

import datetime as dt
from decimal import Decimal

import pytest

from app.domain.analytics.rules import MAX_DAYS, ONE_DAY, Period, PeriodName, average, change, period_of
from app.errors import Invalid

TODAY = dt.date(2024, 3, 29)  # a Friday


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "first", "last", "before", "points"),
    [
        ("day", "2024-03-29", "2024-03-29", "2024-03-28", 1),
        ("week", "2024-03-25", "2024-03-31", "2024-03-18", 7),
        ("month", "2024-03-01", "2024-03-31", "2024-02-01", 31),
        ("year", "2024-01-01", "2024-12-31", "2023-01-01", 12),
    ],
)
def test_without_dates_it_is_the_calendars(name: PeriodName, first: str, last: str, before: str, points: int) -> None:
    found = period_of(name, TODAY, None, None)
    assert found == Period(name, day(first), day(last), day(before))
    assert len(found.points()) == points


@pytest.mark.parametrize(
    ("name", "first", "last", "expected"),
    [
        ("month", "2024-01-31", None, ("2024-01-31", "2024-02-28", "2024-01-02")),
        ("month", "2024-01-10", None, ("2024-01-10", "2024-02-09", "2023-12-10")),
        ("month", None, "2024-01-31", ("2024-01-01", "2024-01-31", "2023-12-01")),
        ("week", "2024-01-10", None, ("2024-01-10", "2024-01-16", "2024-01-03")),
        ("day", None, "2024-01-10", ("2024-01-10", "2024-01-10", "2024-01-09")),
        ("year", "2024-02-29", None, ("2024-02-29", "2025-02-27", "2023-03-01")),
        ("year", "2024-01-01", "2024-01-31", ("2024-01-01", "2024-01-31", "2023-12-01")),
    ],
)
def test_of_one_date_the_period_gives_the_other(
    name: PeriodName, first: str | None, last: str | None, expected: tuple[str, str, str]
) -> None:
    found = period_of(name, TODAY, (first and day(first)) or None, (last and day(last)) or None)
    assert (found.first, found.last, found.before) == tuple(map(day, expected))


def test_the_timeline_has_no_gap_and_is_bounded() -> None:
    days = period_of("month", TODAY, day("2024-02-27"), day("2024-03-02"))
    assert [str(each) for each in days.points()] == [
        "2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02",
    ]  # fmt: skip
    months = period_of("year", TODAY, day("2023-11-15"), day("2024-02-03"))
    assert [str(each) for each in months.points()] == ["2023-11-15", "2023-12-01", "2024-01-01", "2024-02-01"]
    long = period_of("day", TODAY, day("2000-01-01"), day("2000-01-01") + ONE_DAY * (MAX_DAYS + 1))
    assert (long.step, len(long.points())) == ("month", 37)


def test_the_wrong_way_round_is_nothing() -> None:
    found = period_of("month", TODAY, day("2024-03-02"), day("2024-03-01"))
    assert (found.is_empty, found.points()) == (True, [])


def test_the_ends_of_the_calendar() -> None:
    with pytest.raises(Invalid) as caught:
        period_of("month", TODAY, dt.date.min, dt.date.max)
    assert caught.value.fields == {"end_date": ["Ask for at most 100 years."]}
    for first, last in ((dt.date.min, None), (None, dt.date.max), (dt.date.max, dt.date.min)):
        assert period_of("year", TODAY, first, last).before.year > 0


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [(0, 0, 0.0), (5, 0, 100.0), (0, 5, -100.0), (6, 5, 20.0), (1, 3, -66.67), (Decimal("115.50"), Decimal(100), 15.5)],
)
def test_changes(now: Decimal, before: Decimal, expected: float) -> None:
    assert change(now, before) == expected


def test_averages() -> None:
    assert average(Decimal("500000.00"), 80) == 6250.0
    assert average(Decimal("100.00"), 3) == 33.33
    assert average(Decimal("0.05"), 2) == 0.03
    assert average(Decimal("0.00"), 0) == 0.0
