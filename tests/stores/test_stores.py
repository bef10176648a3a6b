"""Stores over HTTP: shape, paging, rights, refusals that change nothing, deletion."""

import re

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.stores.models import Store, StoreProduct
from tests.factories import PASSWORD, make_user
from tests.factories_catalog import CENTRE, make_store, make_store_product
from tests.shop import People, stored

KEYS = {"id", "name", "geom", "owner", "is_active", "created_at"}
POINT = {"type": "Point", "coordinates": [-58.3816, -34.6037]}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
FORBIDDEN = {"detail": "You do not have permission to perform this action."}
MISSING = {"detail": "Authentication credentials were not provided."}


async def test_create_answers_the_contracts_shape(client: httpx.AsyncClient, people: People) -> None:
    answer = await client.post("/api/stores/", json={"name": " Centro ", "geom": POINT}, headers=people.staff)
    assert answer.status_code == 201
    store = answer.json()
    assert set(store) == KEYS
    assert store["name"] == "Centro"
    assert store["geom"] == POINT
    assert (store["owner"], store["is_active"]) == (None, True)
    assert INSTANT.fullmatch(store["created_at"])
    read = await client.get(f"/api/stores/{store['id']}/", headers=people.shopper)
    assert (read.status_code, read.json()) == (200, store)


async def test_point_as_lat_lon(client: httpx.AsyncClient, people: People) -> None:
    body = {"name": "Centro", "geom": {"lat": -34.6037, "lon": -58.3816}}
    answer = await client.post("/api/stores/", json=body, headers=people.staff)
    assert answer.json()["geom"] == POINT


@pytest.mark.parametrize(
    "geom",
    [
        {"type": "Point", "coordinates": [34.05, -118.24]},  # Los Angeles with latitude first
        {"lat": -118.24, "lon": 34.05},
        {"lat": 90.0001, "lon": 0},
        {"lat": 0, "lon": -180.0001},
        {"lat": "-34.6", "lon": "-58.4"},
        {"lat": True, "lon": 1},
        {"lat": 1},
        {"type": "Point", "coordinates": [1]},
        {"type": "Point", "coordinates": [1, 2, 3]},
        {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
        {"type": "Point", "coordinates": [None, 2]},
        [1, 2],
        "POINT(1 2)",
        7,
        None,
        {},
    ],
)
async def test_bad_points_are_refused_under_geom(
    client: httpx.AsyncClient, db: AsyncSession, people: People, geom: object
) -> None:
    before = await stored(db)
    answer = await client.post("/api/stores/", json={"name": "Centro", "geom": geom}, headers=people.staff)
    assert answer.status_code == 400
    assert set(answer.json()) == {"geom"}
    assert all(isinstance(message, str) for message in answer.json()["geom"])
    assert await stored(db) == before


@pytest.mark.parametrize(("lat", "lon"), [(90, 180), (-90, -180), (0, 0)])
async def test_the_ends_of_the_earth_are_places(
    client: httpx.AsyncClient, people: People, lat: float, lon: float
) -> None:
    body = {"name": "Edge", "geom": {"lat": lat, "lon": lon}}
    answer = await client.post("/api/stores/", json=body, headers=people.staff)
    assert answer.status_code == 201
    assert answer.json()["geom"]["coordinates"] == [lon, lat]


async def test_every_wrong_field_is_named_at_once(client: httpx.AsyncClient, people: People) -> None:
    required = ["This field is required."]
    answer = await client.post("/api/stores/", json={}, headers=people.staff)
    assert (answer.status_code, answer.json()) == (400, {"name": required, "geom": required})
    answer = await client.put(
        f"/api/stores/{await _new_store(client, people)}/", json={"is_active": "x"}, headers=people.staff
    )
    assert answer.json() == {"name": required, "geom": required, "is_active": ["Must be a valid boolean."]}


async def _new_store(client: httpx.AsyncClient, people: People) -> int:
    answer = await client.post("/api/stores/", json={"name": "Centro", "geom": POINT}, headers=people.staff)
    return int(answer.json()["id"])


async def test_list_is_bare_until_a_page_is_asked_for(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    ids = [(await make_store(db)).id for _ in range(12)]
    bare = await client.get("/api/stores/", headers=people.shopper)
    assert [store["id"] for store in bare.json()] == ids
    assert all(set(store) == KEYS for store in bare.json())
    page = (await client.get("/api/stores/?page=2", headers=people.shopper)).json()
    assert set(page) == {"count", "next", "previous", "results"}
    assert (page["count"], page["next"], page["previous"]) == (12, None, "http://testserver/api/stores/")
    assert [store["id"] for store in page["results"]] == ids[10:]
    page = (await client.get("/api/stores/?page_size=5", headers=people.shopper)).json()
    assert page["next"] == "http://testserver/api/stores/?page=2&page_size=5"
    assert [store["id"] for store in page["results"]] == ids[:5]


async def test_reading_needs_a_user_and_the_challenge_is_basic(client: httpx.AsyncClient, db: AsyncSession) -> None:
    store = await make_store(db)
    for path in ("/api/stores/", f"/api/stores/{store.id}/", "/api/store-products/"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()) == (401, MISSING)
        assert answer.headers["www-authenticate"] == 'Basic realm="api"'


async def test_basic_credentials_are_taken(client: httpx.AsyncClient, db: AsyncSession) -> None:
    user, store = await make_user(db), await make_store(db)
    answer = await client.get("/api/stores/", auth=(user.username, PASSWORD))
    assert (answer.status_code, [shown["id"] for shown in answer.json()]) == (200, [store.id])
    assert (await client.get("/api/stores/", auth=(user.username, "wrong"))).status_code == 401


async def test_only_staff_create_and_delete(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    own = await make_store(db, owner_id=people.owner_id)
    before = await stored(db)
    for headers, status in ((people.nobody, 401), (people.shopper, 403), (people.owner, 403)):
        for body in ({"name": "Centro", "geom": POINT}, {}):
            assert (await client.post("/api/stores/", json=body, headers=headers)).status_code == status
        assert (await client.delete(f"/api/stores/{own.id}/", headers=headers)).status_code == status
    assert await stored(db) == before


async def test_owner_edits_his_store_and_nobody_elses(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    own, other = await make_store(db, owner_id=people.owner_id), await make_store(db)
    answer = await client.patch(f"/api/stores/{own.id}/", json={"name": "Mía"}, headers=people.owner)
    assert (answer.status_code, answer.json()["name"]) == (200, "Mía")
    body = {"name": "Nueva", "geom": {"lat": 1, "lon": 2}, "is_active": False}
    answer = await client.put(f"/api/stores/{own.id}/", json=body, headers=people.owner)
    assert answer.status_code == 200
    changed = answer.json()
    assert (changed["name"], changed["geom"]["coordinates"], changed["is_active"]) == ("Nueva", [2, 1], False)
    assert changed["owner"] == people.owner_id
    before = await stored(db)
    for headers, path in ((people.owner, f"/api/stores/{other.id}/"), (people.shopper, f"/api/stores/{own.id}/")):
        for sent in (body, {}):
            for method in ("PUT", "PATCH"):
                refused = await client.request(method, path, json=sent, headers=headers)
                assert (refused.status_code, refused.json()) == (403, FORBIDDEN)
    assert await stored(db) == before


async def test_owner_is_set_by_staff_alone(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    body = {"name": "Centro", "geom": POINT, "owner": people.owner_id}
    created = (await client.post("/api/stores/", json=body, headers=people.staff)).json()
    assert created["owner"] == people.owner_id
    path = f"/api/stores/{created['id']}/"
    kept = await client.patch(path, json={"owner": people.shopper_id, "name": "X"}, headers=people.owner)
    assert (kept.status_code, kept.json()["owner"], kept.json()["name"]) == (200, people.owner_id, "X")
    kept = await client.put(path, json={"name": "Y", "geom": POINT}, headers=people.staff)
    assert kept.json()["owner"] == people.owner_id
    moved = await client.patch(path, json={"owner": people.shopper_id}, headers=people.staff)
    assert moved.json()["owner"] == people.shopper_id
    cleared = await client.patch(path, json={"owner": None}, headers=people.staff)
    assert cleared.json()["owner"] is None


@pytest.mark.parametrize("owner", [999_999_999, 2**63 - 1])
async def test_unknown_owner(client: httpx.AsyncClient, db: AsyncSession, people: People, owner: int) -> None:
    store = await make_store(db)
    before = await stored(db)
    message = {"owner": [f'Invalid pk "{owner}" - object does not exist.']}
    body = {"name": "Centro", "geom": POINT, "owner": owner}
    for method, path in (("POST", "/api/stores/"), ("PUT", f"/api/stores/{store.id}/")):
        answer = await client.request(method, path, json=body, headers=people.staff)
        assert (answer.status_code, answer.json()) == (400, message)
    assert await stored(db) == before


async def test_inactive_stores_are_shown_with_their_flag(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    store = await make_store(db, is_active=False)
    shown = (await client.get("/api/stores/", headers=people.shopper)).json()
    assert [(item["id"], item["is_active"]) for item in shown] == [(store.id, False)]


async def test_deleted_store_is_gone_with_what_it_sells_and_its_rows_stay(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    store, stays = await make_store(db), await make_store(db)
    item = await make_store_product(db, store=store)
    other = await make_store_product(db, store=stays)
    answer = await client.delete(f"/api/stores/{store.id}/", headers=people.staff)
    assert (answer.status_code, answer.content) == (204, b"")
    for path in (f"/api/stores/{store.id}/", f"/api/store-products/{item.id}/"):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            gone = await client.request(method, path, headers=people.staff)
            assert (gone.status_code, gone.json()) == (404, {"detail": "Not found."})
    near = f"/api/stores/?near={CENTRE.lat},{CENTRE.lon}"
    for path in ("/api/stores/", "/api/stores/?page=1", near):
        answer = (await client.get(path, headers=people.staff)).json()
        listed = answer if isinstance(answer, list) else answer["results"]
        assert [shown["id"] for shown in listed] == [stays.id]
    for path in ("/api/store-products/", f"/api/store-products/?product={other.product_id}"):
        assert [shown["id"] for shown in (await client.get(path, headers=people.staff)).json()] == [other.id]
    assert (await client.get(f"/api/store-products/?store={store.id}", headers=people.staff)).json() == []
    assert (await db.execute(select(Store.id).order_by(Store.id))).scalars().all() == [store.id, stays.id]
    assert (await db.execute(select(StoreProduct.pool_id).where(StoreProduct.id == item.id))).scalar_one()
    body = {"store": store.id, "product": other.product_id, "stock": 1, "base_price": "1"}
    refused = await client.post("/api/store-products/", json=body, headers=people.staff)
    assert refused.json() == {"store": [f'Invalid pk "{store.id}" - object does not exist.']}


@pytest.mark.parametrize("path", ["0", "999999999", "9223372036854775808", "1_0", "+1", "\u0661", "abc", "1.0", "-1"])
async def test_ids_that_are_none(client: httpx.AsyncClient, people: People, path: str) -> None:
    for kind in ("stores", "store-products"):
        answer = await client.get(f"/api/{kind}/{path}/", headers=people.staff)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
