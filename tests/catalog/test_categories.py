"""Categories over HTTP: shape, order, slugs, parents, deletion, races."""

import asyncio

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Category, Product
from tests.factories_catalog import make_category, make_product
from tests.shop import People, stored

PATH = "/api/categories/"
KEYS = {"id", "name", "parent", "slug"}
TAKEN = {"name": ["category with this name already exists."]}
CIRCLE = {"parent": ["A category cannot be below itself."]}
HAS_PRODUCTS = {"error": "The category cannot be deleted: products belong to it or to a category below it."}


async def create(client: httpx.AsyncClient, people: People, name: str, parent: int | None = None) -> httpx.Response:
    return await client.post(PATH, json={"name": name, "parent": parent}, headers=people.staff)


async def test_create_read_list(client: httpx.AsyncClient, people: People) -> None:
    answer = await create(client, people, " Fertilizantes Orgánicos ")
    assert answer.status_code == 201
    top = answer.json()
    assert top == {
        "id": top["id"],
        "name": "Fertilizantes Orgánicos",
        "parent": None,
        "slug": "fertilizantes-organicos",
    }
    below = (await create(client, people, "árboles", top["id"])).json()
    assert below["parent"] == top["id"]
    last = (await create(client, people, "Zeolita")).json()
    read = await client.get(f"{PATH}{below['id']}/")
    assert (read.status_code, read.json()) == (200, below)
    for path in (PATH, "/api/products/categories/"):
        listed = await client.get(path + "?page=1")
        assert (listed.status_code, listed.json()) == (200, [below, top, last])


async def test_both_slash_forms(client: httpx.AsyncClient, db: AsyncSession) -> None:
    category = await make_category(db)
    for path in (PATH, PATH[:-1], f"{PATH}{category.id}", f"{PATH}hierarchical", "/api/products/categories"):
        assert (await client.get(path)).status_code == 200


async def test_only_staff_write(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    category = await make_category(db)
    before = await stored(db)
    for headers, status in ((people.nobody, 401), (people.shopper, 403)):
        for method, path in (
            ("POST", PATH),
            ("PUT", f"{PATH}{category.id}/"),
            ("PATCH", f"{PATH}{category.id}/"),
            ("DELETE", f"{PATH}{category.id}/"),
        ):
            for body in ({"name": "X"}, {}):
                answer = await client.request(method, path, json=body, headers=headers)
                assert answer.status_code == status
                assert set(answer.json()) == {"detail"}
    assert answer.headers.get("www-authenticate") is None
    challenged = await client.post(PATH, json={})
    assert challenged.headers["www-authenticate"] == 'Bearer realm="api"'
    assert await stored(db) == before


async def test_slugs_follow_the_name_and_stay_apart(client: httpx.AsyncClient, people: People) -> None:
    first = (await create(client, people, "A b")).json()
    second = (await create(client, people, "a-b")).json()
    third = (await create(client, people, "A  B!")).json()
    assert [item["slug"] for item in (first, second, third)] == ["a-b", "a-b-2", "a-b-3"]
    odd = (await create(client, people, "¿植物?")).json()
    assert odd["slug"] == "category"
    path = f"{PATH}{second['id']}/"
    same = await client.patch(path, json={"name": "a-b", "slug": "mine"}, headers=people.staff)
    assert (same.status_code, same.json()["slug"]) == (200, "a-b-2")
    renamed = await client.put(path, json={"name": "Sustratos"}, headers=people.staff)
    assert renamed.json()["slug"] == "sustratos"
    assert (await create(client, people, "a b")).json()["slug"] == "a-b-2"


async def test_put_keeps_an_absent_parent_and_clears_a_null_one(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    top = await make_category(db)
    below = await make_category(db, parent_id=top.id)
    path = f"{PATH}{below.id}/"
    assert (await client.put(path, json={"name": "X"}, headers=people.staff)).json()["parent"] == top.id
    assert (await client.patch(path, json={}, headers=people.staff)).json()["parent"] == top.id
    assert (await client.patch(path, json={"parent": None}, headers=people.staff)).json()["parent"] is None


async def test_if_match_refuses_a_stale_change(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    category_id = (await make_category(db, name="Riego")).id
    path = f"{PATH}{category_id}/"
    tag = (await client.get(path)).headers["etag"]
    first = await client.patch(path, json={"name": "Agua"}, headers=people.staff | {"If-Match": tag})
    assert (first.status_code, first.json()["slug"]) == (200, "agua")
    for method in ("PATCH", "PUT"):
        stale = await client.request(method, path, json={"name": "Goteo"}, headers=people.staff | {"If-Match": tag})
        assert (stale.status_code, stale.json()) == (412, {"detail": "The object has changed since it was read."})
    fresh = people.staff | {"If-Match": first.headers["etag"]}
    answers = await asyncio.gather(*(client.patch(path, json={"name": f"N{n}"}, headers=fresh) for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await client.get(path)).json() == winner.json()


async def test_refusals_name_the_field_and_change_nothing(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    top = await make_category(db, name="Top")
    middle = await make_category(db, name="Middle", parent_id=top.id)
    leaf = await make_category(db, name="Leaf", parent_id=middle.id)
    before = await stored(db)
    unknown = {"parent": ['Invalid pk "999999" - object does not exist.']}
    required = {"name": ["This field is required."]}
    own = f"{PATH}{top.id}/"
    for method, path, body, refusal in (
        ("POST", PATH, {}, required),
        ("PUT", own, {}, required),
        ("POST", PATH, {"name": "Top"}, TAKEN),
        ("PATCH", own, {"name": "Leaf"}, TAKEN),
        ("POST", PATH, {"name": "Top", "parent": 999_999}, TAKEN | unknown),
        ("POST", PATH, {"name": "New", "parent": 999_999}, unknown),
        ("PATCH", own, {"parent": top.id}, CIRCLE),
        ("PATCH", own, {"parent": middle.id}, CIRCLE),
        ("PUT", own, {"name": "Top", "parent": leaf.id}, CIRCLE),
        ("POST", PATH, {"name": "   "}, {"name": ["This field may not be blank."]}),
        ("POST", PATH, {"name": "x" * 101}, {"name": ["Ensure this field has no more than 100 characters."]}),
        ("POST", PATH, {"name": None}, {"name": ["This field may not be null."]}),
        ("POST", PATH, {"name": "New", "parent": "x"}, {"parent": ["A valid integer is required."]}),
    ):
        answer = await client.request(method, path, json=body, headers=people.staff)
        assert (answer.status_code, answer.json()) == (400, refusal), body
    assert await stored(db) == before


async def test_delete_takes_empty_children_along(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    top = await make_category(db)
    middle = await make_category(db, parent_id=top.id)
    leaf = await make_category(db, parent_id=middle.id)
    other = await make_category(db)
    answer = await client.delete(f"{PATH}{top.id}/", headers=people.staff)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await db.execute(select(Category.id))).scalars().all() == [other.id]
    assert (await client.delete(f"{PATH}{leaf.id}/", headers=people.staff)).status_code == 404


@pytest.mark.parametrize("available", [True, False])
async def test_delete_is_refused_while_products_belong_to_it_or_below(
    client: httpx.AsyncClient, db: AsyncSession, people: People, *, available: bool
) -> None:
    top = await make_category(db)
    below = await make_category(db, parent_id=top.id)
    product = await make_product(db, category=below, is_available=available)
    before = await stored(db)
    for category in (top, below):
        answer = await client.delete(f"{PATH}{category.id}/", headers=people.staff)
        assert (answer.status_code, answer.json()) == (400, HAS_PRODUCTS)
    assert await stored(db) == before
    # A deleted product needs its category no more; its row stays.
    assert (await client.delete(f"/api/products/{product.id}/", headers=people.staff)).status_code == 204
    assert (await client.delete(f"{PATH}{top.id}/", headers=people.staff)).status_code == 204
    left = await db.execute(select(Product.id, Product.category_id))
    assert left.all() == [(product.id, None)]


async def test_trees_show_two_levels_and_count_available_products(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    top = await make_category(db, name="Riego")
    child = await make_category(db, name="Bombas", parent_id=top.id)
    deep = await make_category(db, name="Repuestos", parent_id=child.id)
    deeper = await make_category(db, name="Juntas", parent_id=deep.id)
    empty = await make_category(db, name="abono")
    for category, products in ((top, 1), (child, 2), (deep, 3), (deeper, 1)):
        for _ in range(products):
            await make_product(db, category=category)
    await make_product(db, category=child, is_available=False)
    gone = await make_product(db, category=child)
    await client.delete(f"/api/products/{gone.id}/", headers=people.staff)
    leaf = {"id": child.id, "name": "Bombas", "slug": "bombas", "product_count": 6}
    tree = [
        {"id": empty.id, "name": "abono", "slug": "abono", "product_count": 0, "children": []},
        {"id": top.id, "name": "Riego", "slug": "riego", "product_count": 7, "children": [leaf]},
    ]
    answer = await client.get(f"{PATH}hierarchical/")
    assert (answer.status_code, answer.json()) == (200, tree)
    for node in (*tree, leaf):
        del node["slug"]
    answer = await client.get("/api/products/hierarchical/")
    assert (answer.status_code, answer.json()) == (200, tree)


async def test_parallel_creations_of_one_name_make_one(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    answers = await asyncio.gather(*(create(client, people, "Luces") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 7
    assert all(answer.json() == TAKEN for answer in answers if answer.status_code == 400)
    assert (await db.execute(select(func.count()).select_from(Category))).scalar_one() == 1


async def test_parallel_names_of_one_slug_get_slugs_of_their_own(client: httpx.AsyncClient, people: People) -> None:
    names = ["Luz Led", "luz led", "LUZ LED", "luz-led", "Luz-Led"]
    answers = await asyncio.gather(*(create(client, people, name) for name in names))
    slugs = sorted(answer.json()["slug"] for answer in answers)
    assert slugs == ["luz-led", "luz-led-2", "luz-led-3", "luz-led-4", "luz-led-5"]


async def test_parallel_moves_close_no_circle(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    for _ in range(5):
        first, second = await make_category(db), await make_category(db)
        answers = await asyncio.gather(
            client.patch(f"{PATH}{first.id}/", json={"parent": second.id}, headers=people.staff),
            client.patch(f"{PATH}{second.id}/", json={"parent": first.id}, headers=people.staff),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400]
        assert next(answer.json() for answer in answers if answer.status_code == 400) == CIRCLE


async def test_deletion_races_the_first_product(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    for _ in range(10):
        category = await make_category(db)
        body = {"name": "Maceta", "price": "1", "category": category.id}
        made, removed = await asyncio.gather(
            client.post("/api/products/", json=body, headers=people.staff),
            client.delete(f"{PATH}{category.id}/", headers=people.staff),
        )
        assert (made.status_code, removed.status_code) in {(201, 400), (400, 204)}
        if made.status_code == 400:
            assert made.json() == {"category": [f'Invalid pk "{category.id}" - object does not exist.']}
        else:
            assert removed.json() == HAS_PRODUCTS
