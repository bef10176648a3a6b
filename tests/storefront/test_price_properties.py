"""What a product costs, in SQL and in the price engine: the same for any rules, at any instant, by any clock."""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from app.domain.marketing.models import Offer, ScheduledDiscount, offer_product
from app.domain.marketing.service.price_rules import RuleService
from app.domain.pricing.rules.amounts import in_pesos
from app.domain.pricing.rules.engine import price
from app.domain.pricing.rules.facts import Line
from app.domain.pricing.rules.windows import Weekly, is_on
from app.domain.rates.models import DollarRate
from app.domain.storefront.queries import prices
from app.domain.storefront.queries.products import product_detail
from tests.factories_catalog import make_category, make_product

D = Decimal
PRODUCTS, DEPTH = 3, 3
INSTANT, HOUR = dt.timedelta(microseconds=1), dt.timedelta(hours=1)
ZONES = ("America/Argentina/Buenos_Aires", "America/Santiago", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC")
cents = st.one_of(
    st.sampled_from([D("0.00"), D("0.01"), D("0.05"), D("99999999.99")]), st.decimals(0, D("99999999.99"), places=2)
)
percents = st.one_of(st.sampled_from([D(0), D("33.33"), D(50), D(100)]), st.decimals(0, 100, places=2))
# An offer of nothing is an active offer still: on sale, by the contract. The engine knows no such word.
reductions = percents.filter(bool)
# How far from now something begins or ends: what is on from this very instant, or until it, is tried too.
shifts = st.one_of(st.sampled_from([-HOUR, -INSTANT, dt.timedelta(0), INSTANT, HOUR]), st.timedeltas(-HOUR, HOUR))


class Item(msgspec.Struct, frozen=True):
    """A product: `level` is how deep its category lies."""

    price: Decimal
    dollars: bool
    discount: Decimal
    level: int
    special: bool


class Deal(msgspec.Struct, frozen=True):
    """An offer, by how far from now it begins and ends."""

    discount: Decimal
    start: dt.timedelta
    end: dt.timedelta
    products: frozenset[int]


class Window(msgspec.Struct, frozen=True):
    """A discount by weekday, by how far its day, its start and its end are from what the shop's clock shows."""

    discount: Decimal
    level: int
    day: int
    start: dt.timedelta
    end: dt.timedelta
    active: bool
    override: str | None
    override_until: dt.timedelta | None


class World(msgspec.Struct, frozen=True):
    items: list[Item]
    deals: list[Deal]
    windows: list[Window]
    rate: Decimal | None
    zone: str


levels = st.integers(0, DEPTH - 1)
items = st.builds(Item, price=cents, dollars=st.booleans(), discount=percents, level=levels, special=st.booleans())
deals = st.builds(
    Deal, discount=reductions, start=shifts, end=shifts, products=st.frozensets(st.integers(0, PRODUCTS - 1))
).filter(lambda deal: deal.start < deal.end)
windows = st.builds(
    Window,
    discount=reductions,
    level=levels,
    day=st.sampled_from([-1, 0, 0, 0, 1]),
    start=shifts,
    end=shifts,
    active=st.booleans(),
    override=st.sampled_from([None, None, "applied", "removed"]),
    override_until=st.none() | shifts,
).filter(lambda window: window.start != window.end)
worlds = st.builds(
    World,
    items=st.lists(items, min_size=PRODUCTS, max_size=PRODUCTS),
    deals=st.lists(deals, max_size=4),
    windows=st.lists(windows, max_size=5, unique_by=lambda window: (window.level, window.day)),
    rate=st.none() | st.decimals(D("0.01"), D(9999), places=2),
    zone=st.sampled_from(ZONES),
)


class Shop(msgspec.Struct, frozen=True):
    """A chain of categories, each below the one before, and products; what they are is written for each example."""

    categories: list[int]
    products: list[int]


@pytest.fixture
async def shop(db: AsyncSession) -> AsyncIterator[Shop]:
    chain: list[Any] = []
    for _ in range(DEPTH):
        chain.append(await make_category(db, parent_id=chain[-1].id if chain else None))
    products = [(await make_product(db, category=chain[0])).id for _ in range(PRODUCTS)]
    yield Shop([category.id for category in chain], products)
    await db.rollback()


async def furnish(db: AsyncSession, shop: Shop, world: World, now: dt.datetime) -> None:
    """Everything within the transaction in which `now` stands still."""
    for product_id, item in zip(shop.products, world.items, strict=True):
        values = {"price": item.price, "discount": item.discount, "has_special_promotion": item.special}
        values |= {"currency": "USD" if item.dollars else "ARS", "category_id": shop.categories[item.level]}
        await db.execute(update(Product).where(Product.id == product_id).values(values))
    for deal in world.deals:
        dates = {"start_date": now + deal.start, "end_date": now + deal.end}
        made = insert(Offer).values(name="Oferta", discount=deal.discount, **dates).returning(Offer.id)
        offer_id = (await db.execute(made)).scalar_one()
        for place in deal.products:
            pair = {"offer_id": offer_id, "product_id": shop.products[place]}
            await db.execute(insert(offer_product).values(pair))
    local = now.astimezone(ZoneInfo(world.zone)).replace(tzinfo=None)
    for window in world.windows:
        await db.execute(insert(ScheduledDiscount).values(row_of(window, shop, local, now)))
    if world.rate is not None:
        await db.execute(insert(DollarRate).values(value=world.rate, rate_type="manual"))


def row_of(window: Window, shop: Shop, local: dt.datetime, now: dt.datetime) -> dict[str, Any]:
    until = None if window.override is None or window.override_until is None else now + window.override_until
    return {
        "name": "Día",
        "discount": window.discount,
        "category_id": shop.categories[window.level],
        "day_of_week": (local.weekday() + window.day) % 7,
        "start_time": (local + window.start).time(),
        "end_time": (local + window.end).time(),
        "active": window.active,
        "override": window.override,
        "override_since": None if window.override is None else now,
        "override_until": until,
    }


async def listed(db: AsyncSession, zone: str) -> dict[int, tuple[Any, ...]]:
    """Percentage, price and peso price as lists compute them, for all and for one, and whether it is on sale."""
    found = prices.discounts()
    statement = select(
        Product.id,
        prices.percentage_of_all(found),
        prices.percentage_of_one(found),
        prices.discounted(Product.price, prices.percentage_of_all(found)),
        prices.peso_price(prices.percentage_of_all(found)),
        prices.on_sale(found),
    )
    rows = await db.execute(prices.join_discounts(statement, found), {"zone": zone})
    return {row[0]: tuple(row[1:]) for row in rows}


@given(worlds)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_sql_and_engine_agree(db: AsyncSession, shop: Shop, world: World) -> None:
    await db.rollback()
    now: dt.datetime = (await db.execute(select(func.now()))).scalar_one()
    await furnish(db, shop, world, now)
    rows = await listed(db, world.zone)
    rules = await RuleService(db).of(shop.products, shop.categories, now)
    for product_id, item in zip(shop.products, world.items, strict=True):
        categories = tuple(shop.categories[: item.level + 1])
        base = item.price
        if item.dollars and world.rate is not None:
            base = in_pesos(item.price, D(0), world.rate)[0]
        facts: dict[str, Any] = {"discount": item.discount, "categories": categories}
        charged = price(
            [Line(product_id, 1, base, **facts), Line(product_id, 1, item.price, **facts)],
            rules,
            now=now,
            zone=ZoneInfo(world.zone),
        )
        percent = charged.lines[0].discount.percent
        pesos, own = (line.unit_price for line in charged.lines)
        if item.dollars and world.rate is None:
            pesos = None  # type: ignore[assignment]
        assert rows[product_id] == (percent, percent, own, pesos, percent > 0 or item.special)
        detail = (await db.execute(product_detail(product_id, everything=False), {"zone": world.zone})).one()
        assert (detail.total_discount, detail.final_price) == (percent, own)
    await db.rollback()


CLOCKS = ("America/New_York", "America/Santiago", "Australia/Lord_Howe", "Europe/Madrid", *ZONES)
times = st.one_of(st.sampled_from([dt.time(0), dt.time(2), dt.time(23, 59, 59)]), st.times())
dates = st.none() | st.dates(dt.date(2026, 3, 1), dt.date(2026, 11, 30))
instants = st.datetimes(dt.datetime(2026, 3, 1), dt.datetime(2026, 11, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001
weeklies = st.builds(
    Weekly,
    day=st.integers(0, 6),
    start=times,
    end=times,
    active=st.booleans(),
    valid_from=dates,
    valid_until=dates,
).filter(lambda w: w.start != w.end and (w.valid_from or dt.date.min) <= (w.valid_until or dt.date.max))


def edges_of(window: Weekly, zone: ZoneInfo, at: dt.datetime) -> list[dt.datetime]:
    """An instant, and those at which the clock shows the window's start and end nearby, with their neighbours."""
    found = [at]
    monday = at.astimezone(zone).date() - dt.timedelta(days=at.astimezone(zone).weekday())
    for days in (window.day, window.day + 1):
        for time in (window.start, window.end, dt.time(0)):
            edge = dt.datetime.combine(monday + dt.timedelta(days=days), time, zone).astimezone(dt.UTC)
            found += [edge - INSTANT, edge, edge + INSTANT]
    return found


@given(weeklies, instants, st.sampled_from(CLOCKS))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_windows_agree_at_their_very_edges(
    db: AsyncSession, shop: Shop, window: Weekly, at: dt.datetime, zone: str
) -> None:
    await db.rollback()
    values = {"name": "Día", "discount": D(10), "category_id": shop.categories[0], "day_of_week": window.day}
    values |= {"start_time": window.start, "end_time": window.end, "active": window.active}
    values |= {"valid_from": window.valid_from, "valid_until": window.valid_until}
    await db.execute(insert(ScheduledDiscount).values(values))
    asked = edges_of(window, ZoneInfo(zone), at)
    statement = text(
        "SELECT discount_is_on(d, t.at, :zone) FROM scheduled_discount d,"
        " unnest(CAST(:asked AS timestamptz[])) WITH ORDINALITY AS t (at, n) ORDER BY n"
    )
    found = (await db.execute(statement, {"asked": asked, "zone": zone})).scalars().all()
    assert list(found) == [is_on(window, each, ZoneInfo(zone)) for each in asked]
    await db.rollback()
