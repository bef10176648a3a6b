"""Store products over HTTP: shape, rights over both stores, stock both ways, uniqueness, stale writes."""

import asyncio

import httpx
import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.inventory.models import StockEntry, StockSlot
from app.domain.inventory.service import StockService, audit
from app.domain.stores.models import StoreProduct
from app.domain.stores.schemas import StoreProduct as ShownStoreProduct
from app.domain.stores.schemas import StoreProductInput
from app.domain.stores.service.store_products import StoreProductService
from app.errors import PreconditionFailed
from app.http.body import build
from app.http.principal import Principal
from app.settings import Settings
from tests.factories_catalog import make_product, make_store, make_store_product
from tests.shop import People, stored

KEYS = {"id", "store", "product", "stock", "base_price"}
TWICE = {"non_field_errors": ["The fields store, product must make a unique set."]}
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
STALE = {"detail": "The object has changed since it was read."}
PATH = "/api/store-products/"


async def test_create_and_read(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    store, product = await make_store(db), await make_product(db)
    body = {"store": store.id, "product": product.id, "stock": 50, "base_price": "999.9"}
    answer = await client.post(PATH, json=body, headers=people.staff)
    assert answer.status_code == 201
    item = answer.json()
    assert item == {"id": item["id"], **body, "base_price": "999.90"}
    read = await client.get(f"{PATH}{item['id']}/", headers=people.shopper)
    assert (read.status_code, read.json(), read.headers["etag"]) == (200, item, answer.headers["etag"])
    pool_id = (await db.execute(select(StoreProduct.pool_id))).scalar_one()
    slots = (await db.execute(select(StockSlot.available).where(StockSlot.pool_id == pool_id))).scalars().all()
    assert (len(slots), sum(slots)) == (16, 50)
    entries = select(StockEntry.kind, StockEntry.delta).where(StockEntry.pool_id == pool_id)
    assert (await db.execute(entries)).all() == [("opening", 50)]


async def test_list_filters_and_pages(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    store, product = await make_store(db), await make_product(db)
    both = await make_store_product(db, store=store, product=product, stock=3)
    same_store = await make_store_product(db, store=store)
    same_product = await make_store_product(db, product=product)

    async def ids(query: str) -> list[int]:
        answer = (await client.get(PATH + query, headers=people.shopper)).json()
        return [item["id"] for item in (answer if isinstance(answer, list) else answer["results"])]

    assert await ids("") == [both.id, same_store.id, same_product.id]
    assert await ids(f"?store={store.id}") == [both.id, same_store.id]
    assert await ids(f"?product={product.id}") == [both.id, same_product.id]
    assert await ids(f"?product={product.id}&store={store.id}&page=1") == [both.id]
    assert await ids("?store=&product=") == [both.id, same_store.id, same_product.id]
    assert await ids("?store=0") == []
    assert await ids(f"?store={'9' * 40}") == []
    listed = (await client.get(f"{PATH}?store={store.id}", headers=people.shopper)).json()
    assert listed[0] == {
        "id": both.id,
        "store": store.id,
        "product": product.id,
        "stock": 3,
        "base_price": "1000.00",
    }
    for bad in ("x", "1_0", "-1", "1.5", "\u0661"):
        answer = await client.get(f"{PATH}?store={bad}", headers=people.shopper)
        assert (answer.status_code, answer.json()) == (400, {"store": ["Enter a number."]})


async def test_staff_and_the_stores_owner_write_and_nobody_else(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    own, other, product = await make_store(db, owner_id=people.owner_id), await make_store(db), await make_product(db)
    item, foreign = await make_store_product(db, store=own), await make_store_product(db, store=other)
    body = {"store": own.id, "product": product.id, "stock": 1, "base_price": "10.00"}
    before = await stored(db)
    refusals = [
        (people.nobody, "POST", PATH, body, 401),
        (people.nobody, "PATCH", f"{PATH}{item.id}/", {"stock": 1}, 401),
        (people.nobody, "DELETE", f"{PATH}{item.id}/", None, 401),
        (people.shopper, "POST", PATH, body, 403),
        (people.shopper, "POST", PATH, {}, 403),
        (people.shopper, "PUT", f"{PATH}{item.id}/", body, 403),
        (people.shopper, "PATCH", f"{PATH}{item.id}/", {"stock": "x"}, 403),
        (people.shopper, "DELETE", f"{PATH}{item.id}/", None, 403),
        (people.owner, "POST", PATH, body | {"store": other.id}, 403),
        (people.owner, "PUT", f"{PATH}{foreign.id}/", body, 403),
        (people.owner, "PATCH", f"{PATH}{foreign.id}/", {}, 403),
        (people.owner, "DELETE", f"{PATH}{foreign.id}/", None, 403),
        # Neither may he move what he sells into another's store, nor another's into his.
        (people.owner, "PATCH", f"{PATH}{item.id}/", {"store": other.id}, 403),
        (people.owner, "PATCH", f"{PATH}{foreign.id}/", {"store": own.id}, 403),
    ]
    for headers, method, path, sent, status in refusals:
        answer = await client.request(method, path, json=sent, headers=headers)
        assert answer.status_code == status, (method, path, sent)
        if status == 403:
            assert answer.json() == FORBIDDEN
    assert await stored(db) == before
    assert (await client.post(PATH, json=body, headers=people.owner)).status_code == 201
    answer = await client.patch(f"{PATH}{item.id}/", json={"stock": 4}, headers=people.owner)
    assert (answer.status_code, answer.json()["stock"]) == (200, 4)
    assert (await client.delete(f"{PATH}{item.id}/", headers=people.owner)).status_code == 204
    moved = await client.patch(f"{PATH}{foreign.id}/", json={"store": own.id}, headers=people.staff)
    assert (moved.status_code, moved.json()["store"]) == (200, own.id)


async def test_every_wrong_field_is_named(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    required = ["This field is required."]
    answer = await client.post(PATH, json={}, headers=people.staff)
    assert answer.json() == {"store": required, "product": required, "stock": required, "base_price": required}
    body = {"store": 999_999, "product": 999_998, "stock": -1, "base_price": "-1"}
    answer = await client.post(PATH, json=body, headers=people.staff)
    low = ["Ensure this value is greater than or equal to 0."]
    assert (answer.status_code, answer.json()) == (400, {"stock": low, "base_price": low})
    answer = await client.post(PATH, json=body | {"stock": 1, "base_price": 1}, headers=people.staff)
    assert answer.json() == {
        "store": ['Invalid pk "999999" - object does not exist.'],
        "product": ['Invalid pk "999998" - object does not exist.'],
    }
    assert (await db.execute(select(func.count()).select_from(StoreProduct))).scalar_one() == 0


async def test_second_one_of_a_product_is_refused(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    first = await make_store_product(db)
    second = await make_store_product(db, store=await make_store(db))
    body = {"store": first.store_id, "product": first.product_id, "stock": 1, "base_price": "1"}
    before = await stored(db)
    for method, path in (("POST", PATH), ("PUT", f"{PATH}{second.id}/"), ("PATCH", f"{PATH}{second.id}/")):
        answer = await client.request(method, path, json=body, headers=people.staff)
        assert (answer.status_code, answer.json()) == (400, TWICE)
    assert await stored(db) == before
    assert (await client.put(f"{PATH}{first.id}/", json=body, headers=people.staff)).status_code == 200
    # A deleted one is no obstacle.
    assert (await client.delete(f"{PATH}{first.id}/", headers=people.staff)).status_code == 204
    assert (await client.post(PATH, json=body, headers=people.staff)).status_code == 201


async def test_parallel_duplicates_make_one(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    store, product = await make_store(db), await make_product(db)
    body = {"store": store.id, "product": product.id, "stock": 5, "base_price": "1"}
    answers = await asyncio.gather(*(client.post(PATH, json=body, headers=people.staff) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7
    assert all(answer.json() == TWICE for answer in answers if answer.status_code == 400)
    assert (await db.execute(select(func.count()).select_from(StoreProduct))).scalar_one() == 1
    # The losers' pools are rolled back with them: the product's own and one for the store.
    assert (await db.execute(text("SELECT count(*) FROM stock_pool"))).scalar_one() == 2


async def test_stock_is_what_is_free_and_a_hold_keeps_its_units(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    item = await make_store_product(db, stock=10)
    await hold(db, item, units=3)
    path = f"{PATH}{item.id}/"
    assert (await client.get(path, headers=people.shopper)).json()["stock"] == 7
    entries = select(func.count()).select_from(StockEntry).where(StockEntry.pool_id == item.pool_id)
    answer = await client.patch(path, json={"stock": 7}, headers=people.staff)
    assert (answer.json()["stock"], (await db.execute(entries)).scalar_one()) == (7, 1)
    answer = await client.patch(path, json={"stock": 20}, headers=people.staff)
    assert (answer.json()["stock"], (await db.execute(entries)).scalar_one()) == (20, 2)
    assert (await StockService(db).free([item.pool_id])) == {item.pool_id: 20}
    await db.rollback()
    _, findings = await audit(db)
    assert findings == []


async def hold(db: AsyncSession, item: StoreProduct, units: int) -> None:
    """A live hold of the store product's units, as the claim engine leaves one."""
    await db.execute(
        text(
            "WITH taken AS (UPDATE stock_slot SET available = available - 1 WHERE pool_id = :pool AND n < :units)"
            " INSERT INTO reservation (pool_id, promo_id, store_product_id, user_id, token, quantity, unit_price,"
            " expires_at) VALUES (:pool, 1, :item, 1, gen_random_uuid(), :units, 1, now() + interval '60 s')"
        ),
        {"pool": item.pool_id, "item": item.id, "units": units},
    )
    await db.commit()


async def test_if_match_refuses_a_stale_write(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    item = await make_store_product(db, stock=10)
    path = f"{PATH}{item.id}/"
    read = await client.get(path, headers=people.staff)
    tag = read.headers["etag"]
    # Somebody holds a unit: the stock that was read is no longer true.
    await hold(db, item, units=1)
    before = await stored(db)
    body = {"store": item.store_id, "product": item.product_id, "stock": 12, "base_price": "5.00"}
    for method in ("PUT", "PATCH"):
        for stale in (tag, f"W/{tag}", '"x", "y"', ""):
            answer = await client.request(method, path, json=body, headers=people.staff | {"If-Match": stale})
            assert (answer.status_code, answer.json()) == (412, STALE)
    assert await stored(db) == before
    fresh = (await client.get(path, headers=people.staff)).headers["etag"]
    answer = await client.put(path, json=body, headers=people.staff | {"If-Match": f'"other", {fresh}'})
    assert (answer.status_code, answer.json()["stock"]) == (200, 12)
    assert answer.headers["etag"] == (await client.get(path, headers=people.shopper)).headers["etag"]
    answer = await client.patch(path, json={"stock": 1}, headers=people.staff | {"If-Match": "*"})
    assert answer.status_code == 200


async def test_of_parallel_writes_with_one_tag_one_wins(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    item = await make_store_product(db, stock=10)
    path = f"{PATH}{item.id}/"
    headers = people.staff | {"If-Match": (await client.get(path, headers=people.staff)).headers["etag"]}
    bodies = [{"base_price": f"{n}.00"} for n in range(20, 28)]
    answers = await asyncio.gather(*(client.patch(path, json=body, headers=headers) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (await client.get(path, headers=people.staff)).json() == winner


async def test_a_hold_between_the_look_and_the_write_makes_the_write_stale(
    db: AsyncSession, sessions: async_sessionmaker[AsyncSession], settings: Settings
) -> None:
    item = await make_store_product(db, stock=10)
    staff = Principal(id=1, username="x", email="x@example.com", is_staff=True, is_superuser=False)

    def held_meanwhile(seen: ShownStoreProduct) -> None:
        assert seen.stock == 10
        with psycopg.connect(settings.asyncpg_dsn) as buyer:
            buyer.execute(
                "UPDATE stock_slot SET available = available - 1 WHERE pool_id = %s AND n = 0", [item.pool_id]
            )

    before = await stored(db)
    async with sessions() as session:
        data = build(StoreProductInput, {"stock": 50}, "PATCH")
        with pytest.raises(PreconditionFailed):
            await StoreProductService(session).change(item.id, data, staff, held_meanwhile)
    after = await stored(db)
    assert {table for table in before if before[table] != after[table]} == {"stock_slot"}
    assert await StockService(db).free([item.pool_id]) == {item.pool_id: 9}


async def test_patch_of_nothing_changes_nothing(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    item = await make_store_product(db)
    before = await stored(db)
    answer = await client.patch(f"{PATH}{item.id}/", json={}, headers=people.staff)
    assert (answer.status_code, set(answer.json())) == (200, KEYS)
    assert await stored(db) == before


@pytest.mark.parametrize("available", [True, False])
async def test_unavailable_products_may_be_sold_in_stores_deleted_ones_not(
    client: httpx.AsyncClient, db: AsyncSession, people: People, *, available: bool
) -> None:
    store, product = await make_store(db), await make_product(db, is_available=available)
    body = {"store": store.id, "product": product.id, "stock": 1, "base_price": "1"}
    assert (await client.post(PATH, json=body, headers=people.staff)).status_code == 201
    assert (await client.delete(f"/api/products/{product.id}/", headers=people.staff)).status_code == 204
    assert (await client.get(PATH, headers=people.shopper)).json() == []
    refused = await client.post(PATH, json=body, headers=people.staff)
    assert refused.json() == {"product": [f'Invalid pk "{product.id}" - object does not exist.']}
