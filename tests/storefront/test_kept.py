"""What processes keep: gone at the commit that changes it, for every process; tags of reads; nothing private in it."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.kept import Kept, Made
from app.db.reads import Reads
from app.domain.catalog.models import Product
from app.domain.inventory.service import StockService
from app.server import create_app
from app.settings import Settings
from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import make_offer, make_rate, make_scheduled
from tests.shop import People

PATH = "/api/products/"
FAST = f"{PATH}on-sale-fast/"
TREES = ("/api/categories/hierarchical/", f"{PATH}hierarchical/")


@pytest.fixture
async def other(settings: Settings, _clean: None) -> AsyncIterator[httpx.AsyncClient]:
    """A second process of the same shop, started and stopped in one task."""
    app = create_app(settings)
    ready, done = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with app.lifespan():
            ready.set()
            await done.wait()

    task = asyncio.create_task(run())
    await ready.wait()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
        yield http
    done.set()
    await task


async def shown(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_is_on_sale_is_gone_at_the_commit(
    client: httpx.AsyncClient, other: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    category = await make_category(db)
    product = await make_product(db, category=category, discount=10, price=100)
    await make_rate(db, 1000)
    for http in (client, other):
        assert [item["final_price"] for item in await shown(http, FAST)] == ["90.00"]
    changed = await client.patch(f"{PATH}{product.id}/", json={"discount": 20}, headers=people.staff)
    assert changed.status_code == 200
    for http in (other, client):
        assert [item["final_price"] for item in await shown(http, FAST)] == ["80.00"]
    offer = await make_offer(db, product, discount=30)
    for http in (other, client):
        assert [item["final_price"] for item in await shown(http, FAST)] == ["70.00"]
    await db.delete(offer)
    await db.commit()
    await make_scheduled(db, category, discount=40, override="applied", override_since=dt.datetime.now(dt.UTC))
    for http in (other, client):
        assert [item["final_price"] for item in await shown(http, FAST)] == ["60.00"]
    assert (await client.delete(f"{PATH}{product.id}/", headers=people.staff)).status_code == 204
    for http in (other, client):
        assert await shown(http, FAST) == []


async def test_what_is_not_committed_changes_nothing(client: httpx.AsyncClient, db: AsyncSession) -> None:
    await make_product(db, discount=10)
    assert len(await shown(client, FAST)) == 1
    await db.execute(text("UPDATE product SET discount = 0"))
    assert len(await shown(client, FAST)) == 1
    await db.rollback()
    assert len(await shown(client, FAST)) == 1
    await db.execute(text("UPDATE product SET discount = 0"))
    await db.commit()
    assert await shown(client, FAST) == []


async def test_stock_is_never_kept(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db, stock=5, discount=10, options={"Color": [("Rojo", 3, "0")]})
    assert (await shown(client, FAST))[0]["stock"] == 5
    await db.execute(text("UPDATE stock_slot SET available = 4 WHERE pool_id = :pool"), {"pool": product.pool_id})
    option = "SELECT pool_id FROM product_option WHERE product_id = :id"
    await db.execute(text(f"UPDATE stock_slot SET available = 0 WHERE pool_id = ({option})"), {"id": product.id})
    await db.commit()
    item = (await shown(client, FAST))[0]
    assert (item["stock"], item["variants"][0]["options"][0]["stock"]) == (4, 0)


async def test_trees_are_gone_at_the_commit(
    client: httpx.AsyncClient, other: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    top = await make_category(db, name="Riego")
    product = await make_product(db, category=top)
    for http in (client, other):
        for path in TREES:
            assert [(node["name"], node["product_count"]) for node in await shown(http, path)] == [("Riego", 1)]
    hidden = await other.patch(f"{PATH}{product.id}/", json={"is_available": False}, headers=people.staff)
    assert hidden.status_code == 200
    renamed = await other.patch(f"/api/categories/{top.id}/", json={"name": "Agua"}, headers=people.staff)
    assert renamed.status_code == 200
    for http in (client, other):
        for path in TREES:
            assert [(node["name"], node["product_count"]) for node in await shown(http, path)] == [("Agua", 0)]


async def test_staff_and_public_share_nothing(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    await make_product(db, discount=10, is_available=False)
    assert len((await client.get(FAST, headers=people.staff)).json()) == 1
    assert await shown(client, FAST) == []
    assert (await client.get(FAST, headers=people.shopper)).json() == []
    assert len((await client.get(FAST, headers=people.staff)).json()) == 1


async def test_a_strange_host_poisons_nobody(client: httpx.AsyncClient, db: AsyncSession) -> None:
    category = await make_category(db)
    for _ in range(25):
        await make_product(db, category=category, discount=1, image="products/a.jpg")
    strange = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Original-URL": "/evil",
        "Forwarded": "host=evil.example",
    }
    for path in (PATH, FAST, *TREES, f"{PATH}?search=product"):
        await client.get(path, headers=strange)
        assert "evil.example" not in (await client.get(path)).text


async def test_tags_of_public_reads(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    category = await make_category(db)
    product = await make_product(db, category=category, discount=10)
    paths = (
        PATH,
        FAST,
        f"{PATH}on-sale/",
        f"{PATH}{product.id}/",
        f"{PATH}{product.id}/related/",
        *TREES,
        "/api/categories/",
    )
    for path in paths:
        first = await client.get(path)
        tag = first.headers["etag"]
        assert (first.headers["cache-control"], first.headers["vary"]) == ("no-cache", "Authorization")
        for wanted in (tag, f'"x", W/{tag}', "*"):
            again = await client.get(path, headers={"If-None-Match": wanted})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await client.get(path, headers={"If-None-Match": '"x"'})).status_code == 200
        assert (await client.head(path)).headers["etag"] == tag
        private = await client.get(path, headers=people.shopper)
        assert private.headers["cache-control"] == "no-store"
    tag = (await client.get(PATH)).headers["etag"]
    await db.execute(text("UPDATE stock_slot SET available = 1"))
    await db.commit()
    assert (await client.get(PATH, headers={"If-None-Match": tag})).status_code == 200


async def test_nothing_is_kept_past_its_instant(settings: Settings, db: AsyncSession) -> None:
    await make_product(db)
    reads = Reads(settings.asyncpg_dsn)
    kept, made = Kept(reads), []
    now: dt.datetime = (await db.execute(text("SELECT clock_timestamp()"))).scalar_one()

    async def make() -> Made[int]:
        made.append(1)
        return Made(len(made), now + dt.timedelta(seconds=1) * (3600 if len(made) > 1 else -1))

    assert [await kept.get("a", make) for _ in range(4)] == [1, 2, 2, 2]
    assert await kept.get("b", make) == 3
    await make_product(db)
    assert await kept.get("a", make) == 4
    await reads.close()


async def test_prices_are_kept_until_the_next_change_at_most(client: httpx.AsyncClient, db: AsyncSession) -> None:
    """Without a commit: an offer that begins in a moment is there when it has begun, and gone when it has ended."""
    product = await make_product(db, discount=10, price=100)
    # On a busy machine a moment may pass between two looks.
    for moment in (0.7, 3.0, 10.0):
        seen = await _seen(client, db, product, moment)
        if seen == {"90.00", "50.00"}:
            break
    assert seen == {"90.00", "50.00"}


async def _seen(client: httpx.AsyncClient, db: AsyncSession, product: Product, moment: float) -> set[str]:
    """The prices before, while and after an offer holds for a moment; each of them the right one."""
    now: dt.datetime = (await db.execute(text("SELECT clock_timestamp()"))).scalar_one()
    begin, end = now + dt.timedelta(seconds=moment), now + dt.timedelta(seconds=2 * moment)
    await make_offer(db, product, discount=50, start_date=begin, end_date=end)
    seen = set()
    while (at := (await db.execute(text("SELECT clock_timestamp()"))).scalar_one()) < end + dt.timedelta(seconds=0.3):
        price = (await shown(client, FAST))[0]["final_price"]
        after: dt.datetime = (await db.execute(text("SELECT clock_timestamp()"))).scalar_one()
        await db.rollback()
        if after < begin or at > end:
            assert price == "90.00"
        elif begin <= at and after <= end:
            assert price == "50.00"
        seen.add(price)
    return seen


async def test_units_of_ended_holds_and_closed_promotions_count(client: httpx.AsyncClient, db: AsyncSession) -> None:
    """In lists, filters and what is kept: what can be sold is what the pool's own function says."""
    stock = StockService(db)
    categories = await make_category(db)
    bare, held, parted, open_child = [
        (await make_product(db, category=categories, stock=n, discount=1)) for n in (0, 2, 3, 4)
    ]
    now: dt.datetime = (await db.execute(text("SELECT clock_timestamp()"))).scalar_one()
    await stock.set_aside(parted.pool_id, 3, closes_at=now - dt.timedelta(seconds=1), cause="test")
    await stock.set_aside(open_child.pool_id, 4, closes_at=now + dt.timedelta(hours=1), cause="test")
    await db.execute(text("UPDATE stock_slot SET available = 0 WHERE pool_id = :pool"), {"pool": held.pool_id})
    hold = text(
        "INSERT INTO reservation (pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price, "
        "expires_at) VALUES (:pool, 1, 1, :user, gen_random_uuid(), :units, 1, clock_timestamp() + :life)"
    )
    await db.execute(hold, {"pool": held.pool_id, "user": 1, "units": 2, "life": dt.timedelta(seconds=-1)})
    await db.execute(hold, {"pool": bare.pool_id, "user": 2, "units": 9, "life": dt.timedelta(hours=1)})
    await db.commit()
    want = {bare.id: 0, held.id: 2, parted.id: 3, open_child.id: 0}
    for path in (PATH, FAST):
        body = await shown(client, path)
        cards = body if isinstance(body, list) else body["results"]
        assert {card["id"]: card["stock"] for card in cards} == want
    for kind, found in (
        ("in_stock", {held.id, parted.id}),
        ("low_stock", {held.id, parted.id}),
        ("out_of_stock", {bare.id, open_child.id}),
    ):
        page = await shown(client, f"{PATH}?stock_filter={kind}")
        assert ({card["id"] for card in page["results"]}, page["count"]) == (found, 2)
