"""The percentages that are on, as statements over products compose them."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from app.domain.marketing.models import ScheduledDiscount
from app.domain.marketing.queries import discounts
from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import HOUR, make_offer, make_scheduled

SHOP = "America/Argentina/Buenos_Aires"


async def test_the_highest_offer_that_is_on(db: AsyncSession) -> None:
    first, second, third = [await make_product(db) for _ in range(3)]
    now = dt.datetime.now(dt.UTC)
    await make_offer(db, first, second, discount=Decimal(10))
    await make_offer(db, first, discount=Decimal("25.5"))
    await make_offer(db, first, second, third, discount=Decimal(90), start_date=now + HOUR, end_date=now + 2 * HOUR)
    await make_offer(db, first, second, third, discount=Decimal(80), start_date=now - 2 * HOUR, end_date=now - HOUR)
    joined = discounts.offered()
    rows = (await db.execute(select(joined.c.product_id, joined.c.discount))).all()
    assert dict(map(tuple, rows)) == {first.id: Decimal("25.50"), second.id: Decimal("10.00")}
    statement = select(Product.id, discounts.offered_to(Product.id), discounts.active_offers(Product.id))
    found = {row[0]: (row[1], [offer["discount"] for offer in row[2]]) for row in await db.execute(statement)}
    assert found == {
        first.id: (Decimal("25.50"), [25.5, 10.0]),
        second.id: (Decimal("10.00"), [10.0]),
        third.id: (None, []),
    }


async def on_at(db: AsyncSession, at: str, zone: str = SHOP) -> bool:
    statement = text("SELECT discount_is_on(d, CAST(:at AS timestamptz), :zone) FROM scheduled_discount d")
    return bool((await db.execute(statement, {"at": dt.datetime.fromisoformat(at), "zone": zone})).scalar_one())


WHOLE_DAY: dict[str, Any] = {}
MORNING = {"start_time": dt.time(9), "end_time": dt.time(12)}
NIGHT = {"start_time": dt.time(22), "end_time": dt.time(2)}
SMALL_HOURS = {"day_of_week": 6, "start_time": dt.time(1), "end_time": dt.time(3)}
NEW_YORK, SANTIAGO = "America/New_York", "America/Santiago"


@pytest.mark.parametrize(
    ("fields", "at", "on"),
    [
        (WHOLE_DAY, "2026-11-21T02:59:59.999999+00:00", False),
        (WHOLE_DAY, "2026-11-21T03:00:00+00:00", True),
        (WHOLE_DAY, "2026-11-22T02:59:59+00:00", True),
        (WHOLE_DAY, "2026-11-22T02:59:59.999999+00:00", True),
        (WHOLE_DAY, "2026-11-22T03:00:00+00:00", False),
        (MORNING, "2026-11-21T08:59:59-03:00", False),
        (MORNING, "2026-11-21T09:00:00-03:00", True),
        (MORNING, "2026-11-21T11:59:59.999999-03:00", True),
        (MORNING, "2026-11-21T12:00:00-03:00", False),
        (MORNING, "2026-11-22T09:00:00-03:00", False),
        (NIGHT, "2026-11-21T21:59:59-03:00", False),
        (NIGHT, "2026-11-21T22:00:00-03:00", True),
        (NIGHT, "2026-11-22T01:59:59-03:00", True),
        (NIGHT, "2026-11-22T02:00:00-03:00", False),
        (NIGHT, "2026-11-21T01:00:00-03:00", False),
        ({**NIGHT, "valid_until": dt.date(2026, 11, 21)}, "2026-11-22T01:00:00-03:00", True),
        ({**NIGHT, "valid_from": dt.date(2026, 11, 22)}, "2026-11-22T01:00:00-03:00", False),
        ({"valid_from": dt.date(2026, 11, 22)}, "2026-11-21T12:00:00-03:00", False),
        ({"valid_until": dt.date(2026, 11, 21)}, "2026-11-28T12:00:00-03:00", False),
        ({"active": False}, "2026-11-21T12:00:00-03:00", False),
    ],
)
async def test_by_the_shops_clock(db: AsyncSession, fields: dict[str, Any], at: str, on: bool) -> None:
    await make_scheduled(db, await make_category(db), **fields)
    assert await on_at(db, at) is on


@pytest.mark.parametrize(
    ("zone", "fields", "at", "on"),
    [
        # In New York the clock goes from 2 back to 1 on 1 November, from 2 on to 3 on 8 March.
        (NEW_YORK, SMALL_HOURS, "2026-11-01T00:59:59-04:00", False),
        (NEW_YORK, SMALL_HOURS, "2026-11-01T01:00:00-04:00", True),
        (NEW_YORK, SMALL_HOURS, "2026-11-01T01:30:00-05:00", True),
        (NEW_YORK, SMALL_HOURS, "2026-11-01T02:59:59-05:00", True),
        (NEW_YORK, SMALL_HOURS, "2026-11-01T03:00:00-05:00", False),
        (NEW_YORK, SMALL_HOURS, "2026-03-08T01:59:59-05:00", True),
        (NEW_YORK, SMALL_HOURS, "2026-03-08T03:00:00-04:00", False),
        (NEW_YORK, {"day_of_week": 6}, "2026-11-01T23:59:59-05:00", True),
        (NEW_YORK, {"day_of_week": 6}, "2026-11-01T00:00:00-04:00", True),
        (NEW_YORK, {"day_of_week": 6}, "2026-11-02T00:00:00-05:00", False),
        # In Santiago the clock changes at midnight: that Saturday has 25 hours, that Sunday begins at 1.
        (SANTIAGO, WHOLE_DAY, "2026-04-04T23:30:00-03:00", True),
        (SANTIAGO, WHOLE_DAY, "2026-04-04T23:59:59-04:00", True),
        (SANTIAGO, WHOLE_DAY, "2026-04-05T00:00:00-04:00", False),
        (SANTIAGO, WHOLE_DAY, "2026-09-05T23:59:59-04:00", True),
        (SANTIAGO, WHOLE_DAY, "2026-09-06T01:00:00-03:00", False),
        (SANTIAGO, {"day_of_week": 6}, "2026-09-06T01:00:00-03:00", True),
    ],
)
async def test_on_the_day_the_clock_changes(
    db: AsyncSession, zone: str, fields: dict[str, Any], at: str, on: bool
) -> None:
    await make_scheduled(db, await make_category(db), **fields)
    assert await on_at(db, at, zone) is on


async def test_what_was_decided_by_hand_counts_until_its_end(db: AsyncSession) -> None:
    inside, outside = "2026-11-21T12:00:00-03:00", "2026-11-23T12:00:00-03:00"
    until = dt.datetime.fromisoformat("2026-11-24T00:00:00-03:00")
    since = dt.datetime.fromisoformat("2026-11-20T00:00:00-03:00")
    await make_scheduled(db, await make_category(db), override="applied", override_since=since, override_until=until)
    assert await on_at(db, outside)
    assert not await on_at(db, "2026-11-24T00:00:00-03:00")
    await db.execute(update(ScheduledDiscount).values(override="removed"))
    assert not await on_at(db, inside)
    assert await on_at(db, "2026-11-28T12:00:00-03:00")
    await db.execute(update(ScheduledDiscount).values(override="applied", override_until=None))
    assert await on_at(db, "2029-11-28T12:00:00-03:00")
    await db.rollback()


async def test_categories_below_are_discounted_too_by_the_highest(db: AsyncSession) -> None:
    top = await make_category(db)
    middle = await make_category(db, parent_id=top.id)
    leaf = await make_category(db, parent_id=middle.id)
    await make_category(db)
    hand = {"override": "applied", "override_since": dt.datetime.now(dt.UTC)}
    await make_scheduled(db, top, discount=Decimal(15), **hand)
    await make_scheduled(db, middle, discount=Decimal(40), **hand)
    await make_scheduled(db, leaf, discount=Decimal(20), **hand)
    await make_scheduled(db, leaf, discount=Decimal(99), day_of_week=2, override="removed", override_since=func.now())
    found = discounts.scheduled(SHOP)
    rows = (await db.execute(select(found.c.category_id, found.c.discount))).all()
    assert dict(map(tuple, rows)) == {top.id: Decimal(15), middle.id: Decimal(40), leaf.id: Decimal(40)}


async def test_prices_hold_until_the_next_change_or_midnight(db: AsyncSession) -> None:
    statement = text("SELECT prices_hold_until(CAST(:at AS timestamptz), :zone)")

    async def until(at: str) -> str:
        values = {"at": dt.datetime.fromisoformat(at), "zone": SHOP}
        found: dt.datetime = (await db.execute(statement, values)).scalar_one()
        return found.astimezone(dt.timezone(dt.timedelta(hours=-3))).isoformat()

    assert await until("2026-11-21T10:00:00-03:00") == "2026-11-22T00:00:00-03:00"
    await make_scheduled(db, await make_category(db), **MORNING)
    assert await until("2026-11-21T11:45:00-03:00") == "2026-11-21T12:00:00-03:00"
    ends = dt.datetime.fromisoformat("2026-11-21T11:50:00-03:00")
    await make_offer(db, start_date=ends - HOUR, end_date=ends)
    assert await until("2026-11-21T11:45:00-03:00") == "2026-11-21T11:50:00.000001-03:00"
    assert await until("2026-11-21T11:50:00-03:00") == "2026-11-21T11:50:00.000001-03:00"
    assert await until("2026-11-21T11:50:00.000001-03:00") == "2026-11-21T12:00:00-03:00"
    row = (await db.execute(discounts.prices_hold_until(SHOP))).scalar_one()
    assert row > dt.datetime.now(dt.UTC)
