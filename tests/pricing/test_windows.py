"""Windows by weekday: on, off, the next change, over midnight and on the days the clock changes."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from app.domain.pricing.rules.windows import DAY, TICK, Weekly, began, is_on, next_change, next_edge, spans
from tests.pricing.rules import HOUR, NOON, SHOP

T = dt.time
NEW_YORK, SANTIAGO = ZoneInfo("America/New_York"), ZoneInfo("America/Santiago")
WHOLE = Weekly(5, T(0), T(23, 59, 59))
MORNING = Weekly(5, T(9), T(12))
NIGHT = Weekly(5, T(22), T(2))


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("window", "after", "change"),
    [
        (WHOLE, "2026-11-21T12:00:00-03:00", "2026-11-22T00:00:00-03:00"),
        (WHOLE, "2026-11-20T12:00:00-03:00", "2026-11-21T00:00:00-03:00"),
        (WHOLE, "2026-11-22T00:00:00-03:00", "2026-11-28T00:00:00-03:00"),
        (MORNING, "2026-11-21T09:00:00-03:00", "2026-11-21T12:00:00-03:00"),
        (MORNING, "2026-11-21T12:00:00-03:00", "2026-11-28T09:00:00-03:00"),
        (NIGHT, "2026-11-22T01:59:59-03:00", "2026-11-22T02:00:00-03:00"),
        (NIGHT, "2026-11-21T02:00:00-03:00", "2026-11-21T22:00:00-03:00"),
        (
            Weekly(5, T(9), T(12), valid_from=dt.date(2027, 3, 1)),
            "2026-11-21T10:00:00-03:00",
            "2027-03-06T09:00:00-03:00",
        ),
        (Weekly(5, T(9), T(12), valid_until=dt.date(2026, 11, 21)), "2026-11-21T12:00:00-03:00", None),
        (Weekly(5, T(9), T(12), active=False), "2026-11-21T10:00:00-03:00", None),
    ],
)
def test_the_next_change(window: Weekly, after: str, change: str | None) -> None:
    assert next_change(window, at(after), SHOP) == (None if change is None else at(change))


def test_what_was_decided_by_hand_ends_at_the_next_start_or_end() -> None:
    removed = Weekly(
        5, T(9), T(20), override="removed", override_since=NOON, override_until=at("2026-11-21T20:00:00-03:00")
    )
    assert not is_on(removed, NOON, SHOP)
    assert next_change(removed, NOON, SHOP) == at("2026-11-28T09:00:00-03:00")
    applied = Weekly(
        5, T(9), T(12), override="applied", override_since=NOON, override_until=at("2026-11-28T09:00:00-03:00")
    )
    assert is_on(applied, NOON + 3 * DAY, SHOP)
    assert began(applied, NOON + DAY, SHOP) == NOON
    assert next_change(applied, NOON, SHOP) == at("2026-11-28T12:00:00-03:00")
    assert next_edge(applied, NOON, SHOP) == at("2026-11-28T09:00:00-03:00")
    assert next_edge(Weekly(5, T(9), T(12), active=False), NOON, SHOP) == at("2026-11-28T09:00:00-03:00")
    for_good = Weekly(5, T(9), T(12), override="applied", override_since=NOON)
    assert next_change(for_good, NOON, SHOP) is None


def test_since_when_it_is_on() -> None:
    assert began(WHOLE, NOON, SHOP) == at("2026-11-21T00:00:00-03:00")
    assert began(NIGHT, at("2026-11-22T01:00:00-03:00"), SHOP) == at("2026-11-21T22:00:00-03:00")
    assert began(NIGHT, at("2026-11-21T22:00:00-03:00"), SHOP) == at("2026-11-21T22:00:00-03:00")


def test_the_week_ahead() -> None:
    week = [*spans(NIGHT, NOON, NOON + 8 * DAY, SHOP)]
    assert week == [
        (NOON + 10 * HOUR, NOON + 14 * HOUR),
        (NOON + 10 * HOUR + 7 * DAY, NOON + 14 * HOUR + 7 * DAY),
    ]
    assert [*spans(WHOLE, NOON, NOON + HOUR, SHOP)] == [(NOON, NOON + HOUR)]


def test_on_the_days_the_clock_changes() -> None:
    small = Weekly(6, T(1, 30), T(3))
    before, after = at("2026-11-01T00:00:00-04:00"), at("2026-11-02T00:00:00-05:00")
    # What the clock shows: half past one, then one again, half past one again, three.
    assert [*spans(small, before, after, NEW_YORK)] == [
        (at("2026-11-01T01:30:00-04:00"), at("2026-11-01T01:00:00-05:00")),
        (at("2026-11-01T01:30:00-05:00"), at("2026-11-01T03:00:00-05:00")),
    ]
    skipped = Weekly(6, T(2, 15), T(2, 45))
    assert next_change(skipped, at("2026-03-08T00:00:00-05:00"), NEW_YORK) == at("2026-03-15T02:15:00-04:00")
    half = Weekly(6, T(2, 30), T(4))
    assert next_change(half, at("2026-03-08T00:00:00-05:00"), NEW_YORK) == at("2026-03-08T03:00:00-04:00")
    (long,) = spans(WHOLE, at("2026-04-03T12:00:00-03:00"), at("2026-04-06T12:00:00-04:00"), SANTIAGO)
    assert long[1] - long[0] == 25 * HOUR
    (sunday,) = spans(
        Weekly(6, T(0), T(23, 59, 59)), at("2026-09-05T12:00:00-04:00"), at("2026-09-08T12:00:00-03:00"), SANTIAGO
    )
    assert sunday[1] - sunday[0] == 23 * HOUR
    assert not is_on(WHOLE, sunday[0], SANTIAGO)
    assert is_on(WHOLE, sunday[0] - TICK, SANTIAGO)
