"""Who a promotion is for: new and frequent buyers, read from their orders and the clock; staff may override."""

import datetime as dt
from typing import Any

import pytest

from tests.promos.market import Market, now

AT = dt.datetime(2026, 11, 27, 18, 0, tzinfo=dt.UTC)
TICK = dt.timedelta(microseconds=1)
DAYS_30 = dt.timedelta(days=30)
DAYS_90 = dt.timedelta(days=90)
BOTH, NEW, FREQUENT = ["new", "frequent"], ["new"], ["frequent"]
RULE = """
    SELECT COALESCE(buyer_in_segments(CAST(:segments AS text[]), CAST(:override AS text[]), CAST(:first AS timestamptz),
                                      CAST(:third AS timestamptz), :at), false)
"""

CASES: list[tuple[list[str], dt.datetime | None, dt.datetime | None, bool]] = [
    # segments, first paid, third last paid, belongs
    (NEW, None, None, True),
    (NEW, AT, None, True),
    (NEW, AT - DAYS_30, None, True),
    (NEW, AT - DAYS_30 - TICK, None, False),
    (NEW, AT - dt.timedelta(days=31), AT, False),
    (FREQUENT, None, None, False),
    (FREQUENT, AT, None, False),
    (FREQUENT, AT, AT, True),
    (FREQUENT, AT - dt.timedelta(days=400), AT - DAYS_90, True),
    (FREQUENT, AT - dt.timedelta(days=400), AT - DAYS_90 - TICK, False),
    (BOTH, None, None, True),
    (BOTH, AT - DAYS_30, None, True),
    (BOTH, AT - dt.timedelta(days=60), AT - DAYS_90, True),
    (BOTH, AT - dt.timedelta(days=60), None, False),
    (BOTH, AT - dt.timedelta(days=400), AT - dt.timedelta(days=91), False),
]


@pytest.mark.parametrize(("segments", "first", "third", "belongs"), CASES)
async def test_the_rule_at_its_edges(market: Market, segments: Any, first: Any, third: Any, belongs: bool) -> None:
    values = {"segments": segments, "first": first, "third": third, "at": AT}
    assert await market.value(RULE, override=None, **values) is belongs


@pytest.mark.parametrize(
    ("override", "new", "frequent", "both"),
    [([], False, False, False), (NEW, True, False, True), (FREQUENT, False, True, True), (BOTH, True, True, True)],
)
async def test_what_staff_wrote_beats_the_orders(
    market: Market, override: list[str], new: bool, frequent: bool, both: bool
) -> None:
    for first, third in ((None, None), (AT - DAYS_90, AT - TICK), (AT - DAYS_90, AT - DAYS_90)):
        values = {"override": override, "first": first, "third": third, "at": AT}
        found = [await market.value(RULE, segments=segments, **values) for segments in (NEW, FREQUENT, BOTH)]
        assert found == [new, frequent, both]


PEOPLE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "never bought": ({}, NEW),
    "first bought 29 days ago": ({"first_paid_at": now() - dt.timedelta(days=29)}, NEW),
    "first bought 31 days ago": ({"first_paid_at": now() - dt.timedelta(days=31)}, []),
    "bought three times lately": (
        {"first_paid_at": now() - dt.timedelta(days=200), "third_last_paid_at": now() - dt.timedelta(days=89)},
        FREQUENT,
    ),
    "bought three times long ago": (
        {"first_paid_at": now() - dt.timedelta(days=200), "third_last_paid_at": now() - dt.timedelta(days=91)},
        [],
    ),
    "new and frequent": (
        {"first_paid_at": now() - dt.timedelta(days=9), "third_last_paid_at": now() - dt.timedelta(days=1)},
        BOTH,
    ),
    "called frequent by staff": ({"segments_override": FREQUENT}, FREQUENT),
    "called nothing by staff": ({"segments_override": []}, []),
}


@pytest.mark.parametrize(("profile", "segments"), PEOPLE.values(), ids=PEOPLE.keys())
async def test_listing_and_holding_agree(market: Market, profile: dict[str, Any], segments: list[str]) -> None:
    item = await market.item()
    promos = {name: await market.promo(item, segments=value) for name, value in (("new", NEW), ("frequent", FREQUENT))}
    everybody = await market.promo(item, segments=BOTH)
    buyer = await market.buyer(profile=profile)
    eligible = [promos[name] for name in ("new", "frequent") if name in segments] + ([everybody] if segments else [])
    assert [one["id"] for one in await market.active(buyer)] == eligible
    for promo in (*promos.values(), everybody):
        answer = await market.reserve(buyer, promo)
        if promo in eligible:
            assert answer.status_code == 201
        else:
            assert answer.status_code == 403
            assert answer.json() == {"detail": "This promotion is not offered to you.", "code": "not_eligible"}
