"""What lists say a product costs is what the price engine charges, to the cent and at every instant."""

import datetime as dt
import random
from decimal import Decimal
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Category, Product
from app.domain.catalog.queries import subtree
from app.domain.marketing.service.price_rules import RuleService
from app.domain.pricing.rules.amounts import in_pesos
from app.domain.pricing.rules.engine import price
from app.domain.pricing.rules.facts import Line
from app.domain.storefront.queries.prices import discounts, join_discounts, percentage_of_all, peso_price
from app.settings import Settings
from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import make_offer, make_rate, make_scheduled

PATH = "/api/products/"
ROUNDS, PRODUCTS = 4, 12


async def world(db: AsyncSession, dice: random.Random) -> list[Product]:
    """A tree three deep, products with any price and percentage, offers and weekly discounts that are on or not."""
    tops = [await make_category(db) for _ in range(2)]
    tree = [*tops, *[await make_category(db, parent_id=dice.choice(tops).id) for _ in range(3)]]
    tree += [await make_category(db, parent_id=dice.choice(tree[2:]).id) for _ in range(3)]
    products = [
        await make_product(
            db,
            category=dice.choice(tree),
            price=Decimal(dice.choice([0, 1, 5, 333, 99, dice.randrange(10**6), 9_999_999_999])) / 100,
            currency=dice.choice(["ARS", "ARS", "USD"]),
            discount=Decimal(dice.choice([0, 0, 10, 3333, dice.randrange(10001)])) / 100,
        )
        for _ in range(PRODUCTS)
    ]
    for _ in range(4):
        chosen = dice.sample(products, dice.randrange(5))
        shift = dt.timedelta(hours=dice.choice([0, 0, 5, -5]))
        now = dt.datetime.now(dt.UTC) + shift
        await make_offer(
            db,
            *chosen,
            discount=Decimal(dice.randrange(10001)) / 100,
            start_date=now - dt.timedelta(hours=1),
            end_date=now + dt.timedelta(hours=1),
        )
    taken = set()
    for _ in range(6):
        pair = (dice.choice(tree).id, dice.randrange(7))
        if pair not in taken:
            taken.add(pair)
            await weekly(db, dice, *pair)
    return products


async def weekly(db: AsyncSession, dice: random.Random, category_id: int, day: int) -> None:
    category = await db.get_one(Category, category_id)
    start, end = sorted(dice.sample(range(24), 2), reverse=dice.random() < 0.3)
    since = {"override_since": dt.datetime.now(dt.UTC)}
    override = dice.choice([{}, {"override": "applied"} | since, {"override": "removed"} | since])
    await make_scheduled(
        db,
        category,
        day_of_week=day,
        discount=Decimal(dice.randrange(10001)) / 100,
        start_time=dt.time(start),
        end_time=dt.time(end),
        **override,
    )


async def charged(db: AsyncSession, product: Product, rate: Decimal, zone: ZoneInfo) -> tuple[Decimal, Decimal]:
    """The percentage and the unit price of the engine, in pesos."""
    now: dt.datetime = (await db.execute(select(func.now()))).scalar_one()
    above = "WITH RECURSIVE up AS (SELECT id, parent_id FROM category WHERE id = :id UNION ALL SELECT c.id, c.parent_id"
    above += " FROM category c JOIN up ON c.id = up.parent_id) SELECT id FROM up"
    categories = tuple((await db.execute(text(above), {"id": product.category_id})).scalars())
    rules = await RuleService(db).of([product.id], categories, now)
    base = product.price if product.currency == "ARS" else in_pesos(product.price, Decimal(0), rate)[0]
    line = Line(product.id, 1, base, discount=product.discount, categories=categories)
    quote = price([line], rules, now=now, zone=zone)
    return quote.lines[0].discount.percent, quote.lines[0].unit_price


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_lists_and_engine_agree(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, seed: int
) -> None:
    dice = random.Random(seed)
    rate = Decimal(dice.randrange(100, 10**7)) / 100
    await make_rate(db, rate)
    products = await world(db, dice)
    found = discounts()
    statement = join_discounts(
        select(Product.id, percentage_of_all(found), peso_price(percentage_of_all(found))), found
    )
    rows = await db.execute(statement, {"zone": settings.time_zone})
    listed = {product_id: (percentage, pesos) for product_id, percentage, pesos in rows}
    page = (await client.get(f"{PATH}?page_size=100")).json()
    cards = {card["id"]: card for card in page["results"]}
    wanted = {}
    for product in products:
        percentage, unit = await charged(db, product, rate, settings.zone)
        wanted[product.id] = unit
        assert listed[product.id] == (percentage, unit)
        card, detail = cards[product.id], (await client.get(f"{PATH}{product.id}/")).json()
        assert Decimal(str(card["total_discount"])) == percentage
        if product.currency == "ARS":
            assert Decimal(card["final_price"]) == unit
        assert all(detail[name] == card[name] for name in card)
    ordered = (await client.get(f"{PATH}?page_size=100&ordering=price")).json()["results"]
    assert [wanted[card["id"]] for card in ordered] == sorted(wanted.values())
    bound = sorted(wanted.values())[PRODUCTS // 2]
    cheap = (await client.get(f"{PATH}?page_size=100&max_price={bound}")).json()["results"]
    assert {card["id"] for card in cheap} == {each for each, unit in wanted.items() if unit <= bound}
    on_sale = (await client.get(f"{PATH}on-sale/?page_size=100")).json()["results"]
    assert {card["id"] for card in on_sale} >= {card["id"] for card in page["results"] if card["total_discount"] > 0}


async def test_the_detail_shows_the_offers_that_are_on(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product, other = await make_product(db, discount=30), await make_product(db)
    now = dt.datetime.now(dt.UTC)
    hour = dt.timedelta(hours=1)
    first = await make_offer(db, product, other, name="Primera", discount=Decimal("12.50"))
    second = await make_offer(db, product, name="Segunda", discount=Decimal(25))
    await make_offer(db, product, start_date=now + hour, end_date=now + 2 * hour)
    await make_offer(db, other)
    answer = await client.get(f"{PATH}{product.id}/")
    offers = answer.json()["active_offers"]
    assert [offer["id"] for offer in offers] == [str(second.id), str(first.id)]
    assert list(offers[0]) == [
        *("id", "name", "discount", "start_date", "end_date", "products", "created_at", "updated_at", "status"),
    ]
    assert [offer["discount"] for offer in offers] == [25, 12.5]
    assert '"discount":25,' in answer.text
    assert offers[1]["products"] == [product.id, other.id]
    assert {offer["status"] for offer in offers} == {"active"}
    assert dt.datetime.fromisoformat(offers[0]["start_date"]) == second.start_date
    assert offers[0]["start_date"].endswith("Z")
    assert answer.json()["total_discount"] == 30


async def test_a_category_deeper_than_the_tree_shows_is_discounted(client: httpx.AsyncClient, db: AsyncSession) -> None:
    categories = [await make_category(db)]
    for _ in range(3):
        categories.append(await make_category(db, parent_id=categories[-1].id))
    product = await make_product(db, category=categories[-1], price=Decimal(100))
    await make_scheduled(db, categories[0], override="applied", override_since=dt.datetime.now(dt.UTC))
    below = (await db.execute(subtree(Category.id == categories[0].id))).scalars().all()
    assert set(below) == {category.id for category in categories}
    assert (await client.get(f"{PATH}{product.id}/")).json()["final_price"] == "85.00"
