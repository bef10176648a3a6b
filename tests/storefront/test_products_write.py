"""Products as staff write them: JSON and multipart, stock, variants, stale writes, refusals that change nothing."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product, ProductOption
from app.domain.inventory.models import StockEntry
from app.domain.inventory.service import audit
from tests.factories_catalog import make_category, make_product, make_store_product
from tests.shop import People, stored

PATH = "/api/products/"
KEYS = {
    "id",
    "name",
    "brand",
    "description",
    "category",
    "category_name",
    "price",
    "currency",
    "discount",
    "final_price",
    "total_discount",
    "stock",
    "total_stock",
    "has_variants",
    "variants",
    "volume",
    "dimensions",
    "image",
    "image_2",
    "is_available",
    "active_offers",
    "has_special_promotion",
    "special_promotion_name",
    "created_at",
    "updated_at",
}
REQUIRED = ["This field is required."]
COLOURS = [
    {
        "variant_name": "Color",
        "options": [
            {"name": "Rojo", "stock": 5, "price_adjustment": "100.00"},
            {"name": "Azul", "stock": 2, "price_adjustment": "-10.50"},
        ],
    }
]


async def body_for(db: AsyncSession, **fields: Any) -> dict[str, Any]:
    category = await make_category(db)
    return {"name": "Abono", "category": category.id, "price": "1500.00"} | fields


async def test_create_with_defaults(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    body = await body_for(db, sku="MINE", id=7, final_price="1.00", created_at="2000-01-01T00:00:00Z")
    answer = await client.post(PATH, json=body, headers=people.staff)
    assert answer.status_code == 201
    product = answer.json()
    assert set(product) == KEYS
    assert product["category"]["id"] == body["category"]
    expected = {
        "brand": "",
        "description": "",
        "price": "1500.00",
        "currency": "ARS",
        "discount": 0,
        "final_price": "1500.00",
        "stock": 0,
        "total_stock": 0,
        "has_variants": False,
        "variants": [],
        "volume": "",
        "dimensions": "",
        "image": None,
        "image_2": None,
        "is_available": True,
        "active_offers": [],
        "has_special_promotion": False,
        "special_promotion_name": None,
    }
    assert {name: product[name] for name in expected} == expected
    assert not product["created_at"].startswith("2000")
    sku = (await db.execute(select(Product.sku).where(Product.id == product["id"]))).scalar_one()
    assert re.fullmatch(r"CAT-GEN-\d{5,}", sku)
    assert (await client.get(f"{PATH}{product['id']}/")).json() == product


async def test_create_with_everything(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    body = await body_for(
        db,
        brand="Bio",
        description="Línea 1\nLínea 2",
        currency="USD",
        discount="12.5",
        stock=9,
        has_variants=True,
        variants=COLOURS,
        volume="1L",
        dimensions="10x20x30",
        is_available=False,
        has_special_promotion=True,
        special_promotion_name="Promo",
        image=None,
    )
    product = (await client.post(PATH, json=body, headers=people.staff)).json()
    category = product.pop("category")
    assert category == {"id": body.pop("category"), "name": category["name"], "parent": None, "slug": category["slug"]}
    assert {name: product[name] for name in body} == body | {"discount": 12.5}
    assert (product["final_price"], product["total_stock"]) == ("1312.50", 7)
    entries = await db.execute(select(StockEntry.kind, StockEntry.delta).order_by(StockEntry.id))
    assert entries.all() == [("opening", 9), ("opening", 5), ("opening", 2)]
    _, findings = await audit(db)
    assert findings == []


async def test_category_id_is_accepted_too(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    body = await body_for(db)
    body["category_id"] = body.pop("category")
    answer = await client.post(PATH, json=body, headers=people.staff)
    assert (answer.status_code, answer.json()["category"]["id"]) == (201, body["category_id"])
    form = {name: str(value) for name, value in body.items()}
    answer = await client.post(PATH, data=form, headers=people.staff)
    assert (answer.status_code, answer.json()["category"]["id"]) == (201, body["category_id"])


async def test_only_staff_write(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    body = await body_for(db)
    before = await stored(db)
    for headers, status in ((people.nobody, 401), (people.shopper, 403), (people.owner, 403)):
        for method, path in (
            ("POST", PATH),
            ("PUT", f"{PATH}{product.id}/"),
            ("PATCH", f"{PATH}{product.id}/"),
            ("DELETE", f"{PATH}{product.id}/"),
        ):
            for sent in (body, {}):
                answer = await client.request(method, path, json=sent, headers=headers)
                assert (answer.status_code, set(answer.json())) == (status, {"detail"})
    assert (await client.post(PATH, json=body)).headers["www-authenticate"] == 'Bearer realm="api"'
    assert await stored(db) == before


async def test_refusals_name_every_field_and_change_nothing(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db)
    own, good = f"{PATH}{product.id}/", await body_for(db)
    before = await stored(db)
    low = ["Ensure this value is greater than or equal to 0."]
    high = ["Ensure this value is less than or equal to 100."]
    cases: list[tuple[dict[str, Any], dict[str, list[str]]]] = [
        ({"price": "-0.01", "stock": -1}, {"price": low, "stock": low}),
        ({"discount": "100.01"}, {"discount": high}),
        ({"discount": "-1"}, {"discount": low}),
        ({"price": "1.001"}, {"price": ["Ensure that there are no more than 2 decimal places."]}),
        ({"price": "100000000"}, {"price": ["Ensure that there are no more than 8 digits before the decimal point."]}),
        ({"currency": "EUR"}, {"currency": ['"EUR" is not a valid choice.']}),
        ({"category": 999_999}, {"category": ['Invalid pk "999999" - object does not exist.']}),
        ({"category": None}, {"category": ["This field may not be null."]}),
        ({"name": ""}, {"name": ["This field may not be blank."]}),
        ({"name": "x" * 201}, {"name": ["Ensure this field has no more than 200 characters."]}),
        ({"brand": "x" * 101}, {"brand": ["Ensure this field has no more than 100 characters."]}),
        ({"volume": "x" * 51}, {"volume": ["Ensure this field has no more than 50 characters."]}),
        ({"dimensions": "x" * 101}, {"dimensions": ["Ensure this field has no more than 100 characters."]}),
        ({"has_variants": "perhaps"}, {"has_variants": ["Must be a valid boolean."]}),
        ({"stock": 2**31}, {"stock": ["Ensure this value is less than or equal to 2147483647."]}),
    ]
    for change, refusal in cases:
        for method, path, sent in (("POST", PATH, good | change), ("PUT", own, good | change), ("PATCH", own, change)):
            answer = await client.request(method, path, json=sent, headers=people.staff)
            assert (answer.status_code, answer.json()) == (400, refusal), (method, change)
    for method, path in (("POST", PATH), ("PUT", own)):
        answer = await client.request(method, path, json={"stock": "x"}, headers=people.staff)
        wrong = {"stock": ["A valid integer is required."]}
        assert answer.json() == {"name": REQUIRED, "category": REQUIRED, "price": REQUIRED} | wrong
    assert await stored(db) == before


@pytest.mark.parametrize(
    "variants",
    [
        "x",
        7,
        {"variant_name": "Color"},
        ["Color"],
        [{}],
        [{"variant_name": "Color"}],
        [{"variant_name": "Color", "options": []}],
        [{"variant_name": "Color", "options": ["Rojo"]}],
        [{"variant_name": "Color", "options": {"name": "Rojo"}}],
        [{"variant_name": "", "options": [{"name": "Rojo"}]}],
        [{"variant_name": "Color", "options": [{"stock": 1}]}],
        [{"variant_name": "Color", "options": [{"name": "Rojo", "stock": -1}]}],
        [{"variant_name": "Color", "options": [{"name": "Rojo", "stock": "x"}]}],
        [{"variant_name": "Color", "options": [{"name": "Rojo", "price_adjustment": "NaN"}]}],
        [{"variant_name": "Color", "options": [{"name": "Rojo", "price_adjustment": "1.001"}]}],
        [{"variant_name": "Color", "options": [{"name": "Rojo", "price_adjustment": "-1500.01"}]}],
        [{"variant_name": "Color", "options": [{"name": "Rojo"}, {"name": "Rojo"}]}],
        [{"variant_name": "Color", "options": [{"name": "a"}]}, {"variant_name": "Color", "options": [{"name": "b"}]}],
        [{"variant_name": "a\x00b", "options": [{"name": "Rojo"}]}],
        [{"variant_name": f"v{n}", "options": [{"name": "a"}]} for n in range(11)],
        [{"variant_name": "Color", "options": [{"name": f"{n}"} for n in range(501)]}],
        [{"variant_name": f"v{v}", "options": [{"name": f"{n}"} for n in range(251)]} for v in range(4)],
    ],
)
async def test_malformed_variants(client: httpx.AsyncClient, db: AsyncSession, people: People, variants: Any) -> None:
    body = await body_for(db, variants=variants)
    before = await stored(db)
    answer = await client.post(PATH, json=body, headers=people.staff)
    assert answer.status_code == 400
    assert set(answer.json()) == {"variants"}
    assert all(isinstance(message, str) for message in answer.json()["variants"])
    assert await stored(db) == before


async def test_multipart_takes_text_for_everything(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    body = await body_for(db)
    form = {
        "name": body["name"],
        "category": str(body["category"]),
        "price": "10.5",
        "discount": "5",
        "stock": "3",
        "has_variants": "true",
        "is_available": "false",
        "brand": "",
        "variants": '[{"variant_name": "Color", "options": [{"name": "Rojo", "stock": 4, "price_adjustment": 1}]}]',
    }
    answer = await client.post(PATH, files={n: (None, v) for n, v in form.items()}, headers=people.staff)
    assert answer.status_code == 201, answer.text
    product = answer.json()
    assert (product["price"], product["discount"], product["stock"], product["total_stock"]) == ("10.50", 5, 3, 4)
    assert (product["has_variants"], product["is_available"]) == (True, False)
    assert product["variants"] == [
        {"variant_name": "Color", "options": [{"name": "Rojo", "stock": 4, "price_adjustment": "1.00"}]}
    ]
    before = await stored(db)
    for malformed in ("[", "not json", '{"a": 1}', '["x"]', "[[[[", "[NaN]"):
        sent = {n: (None, v) for n, v in (form | {"variants": malformed}).items()}
        answer = await client.post(PATH, files=sent, headers=people.staff)
        assert (answer.status_code, set(answer.json())) == (400, {"variants"}), malformed
    assert await stored(db) == before


async def test_put_replaces_and_patch_changes(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db, brand="Bio", discount=5, stock=4)
    before = (await client.get(f"{PATH}{product.id}/")).json()
    patched = await client.patch(f"{PATH}{product.id}/", json={"price": 99}, headers=people.staff)
    assert patched.status_code == 200
    after = patched.json()
    changed = {name for name in KEYS if before[name] != after[name]}
    assert changed == {"price", "final_price", "updated_at"}
    assert (after["price"], after["final_price"]) == ("99.00", "94.05")
    assert after["updated_at"] > before["updated_at"]
    body = await body_for(db, name="Otro", price="7")
    replaced = (await client.put(f"{PATH}{product.id}/", json=body, headers=people.staff)).json()
    assert (replaced["name"], replaced["price"], replaced["category"]["id"]) == ("Otro", "7.00", body["category"])
    # What is optional and was not sent stays, as a serializer with defaults has it.
    assert (replaced["brand"], replaced["discount"], replaced["stock"]) == ("Bio", 5, 4)
    sku = (await db.execute(select(Product.sku).where(Product.id == product.id))).scalar_one()
    assert sku == product.sku


async def test_patch_of_nothing_changes_nothing(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    before = await stored(db)
    answer = await client.patch(f"{PATH}{product.id}/", json={"unknown": 1}, headers=people.staff)
    assert (answer.status_code, set(answer.json())) == (200, KEYS)
    assert await stored(db) == before


async def test_unchanged_stock_writes_no_ledger(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db, stock=5)
    entries = select(StockEntry.kind, StockEntry.delta).where(StockEntry.pool_id == product.pool_id)
    await client.patch(f"{PATH}{product.id}/", json={"stock": 5}, headers=people.staff)
    await client.patch(f"{PATH}{product.id}/", json={"stock": 2}, headers=people.staff)
    found = await db.execute(entries.order_by(StockEntry.id))
    assert found.all() == [("opening", 5), ("adjustment", -3)]


async def test_options_keep_their_pools_by_name(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db, options={"Color": [("Rojo", 5, "0"), ("Azul", 2, "0")]})
    columns = ProductOption.name, ProductOption.id, ProductOption.pool_id
    old = {name: rest for name, *rest in (await db.execute(select(*columns))).all()}
    variants = [
        {
            "variant_name": "Color",
            "options": [{"name": "Verde", "stock": 1}, {"name": "Rojo", "price_adjustment": "3"}],
        }
    ]
    answer = await client.patch(f"{PATH}{product.id}/", json={"variants": variants}, headers=people.staff)
    assert answer.json()["variants"] == [
        {
            "variant_name": "Color",
            "options": [
                {"name": "Verde", "stock": 1, "price_adjustment": "0.00"},
                {"name": "Rojo", "stock": 5, "price_adjustment": "3.00"},
            ],
        }
    ]
    await db.commit()
    new = {name: rest for name, *rest in (await db.execute(select(*columns))).all()}
    assert (set(new), new["Rojo"]) == ({"Verde", "Rojo"}, old["Rojo"])
    # What left the shop with its option is in the ledger.
    gone = select(func.sum(StockEntry.delta)).where(StockEntry.pool_id == old["Azul"][1])
    assert (await db.execute(gone)).scalar_one() == 0
    _, findings = await audit(db)
    assert findings == []
    answer = await client.patch(f"{PATH}{product.id}/", json={"variants": []}, headers=people.staff)
    assert (answer.json()["variants"], answer.json()["total_stock"]) == ([], 0)


async def test_one_variant_of_two_hundred_options(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    options = [{"name": f"Opción {n}", "stock": n, "price_adjustment": f"{n}.50"} for n in range(200)]
    variants = [{"variant_name": "Aroma", "options": options}]
    made = await client.post(PATH, json=await body_for(db, has_variants=True, variants=variants), headers=people.staff)
    assert made.json() | {"variants": variants, "total_stock": sum(range(200))} == made.json()
    fewer = [{"variant_name": "Aroma", "options": list(reversed(options[100:]))}]
    changed = await client.patch(f"{PATH}{made.json()['id']}/", json={"variants": fewer}, headers=people.staff)
    assert (changed.status_code, changed.json()["variants"], (await audit(db))[1]) == (200, fewer, [])


async def test_no_choice_may_cost_less_than_nothing(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db, price=10, options={"A": [("a", 1, "-6")], "B": [("b", 1, "-4"), ("c", 1, "9")]})
    before = await stored(db)
    answer = await client.patch(f"{PATH}{product.id}/", json={"price": "9.99"}, headers=people.staff)
    message = "With these price adjustments a choice would cost less than nothing."
    assert (answer.status_code, answer.json()) == (400, {"variants": [message]})
    assert await stored(db) == before
    assert (await client.patch(f"{PATH}{product.id}/", json={"price": "10"}, headers=people.staff)).status_code == 200


async def test_if_match_refuses_a_stale_write(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db, stock=5, options={"Color": [("Rojo", 5, "0")]})
    path = f"{PATH}{product.id}/"
    tag = (await client.get(path)).headers["etag"]
    answer = await client.patch(path, json={"stock": 6}, headers=people.staff | {"If-Match": tag})
    assert (answer.status_code, answer.json()["stock"]) == (200, 6)
    before = await stored(db)
    for method, sent in (("PATCH", {"stock": 9}), ("PUT", await body_for(db))):
        stale = await client.request(method, path, json=sent, headers=people.staff | {"If-Match": tag})
        assert (stale.status_code, stale.json()) == (412, {"detail": "The object has changed since it was read."})
    after = await stored(db)
    assert {name: digest for name, digest in after.items() if name != "category"} == {
        name: digest for name, digest in before.items() if name != "category"
    }
    options = [{"variant_name": "Color", "options": [{"name": "Rojo", "stock": 8}]}]
    fresh = people.staff | {"If-Match": answer.headers["etag"]}
    answer = await client.patch(path, json={"variants": options, "stock": 1}, headers=fresh)
    assert (answer.status_code, answer.json()["stock"], answer.json()["total_stock"]) == (200, 1, 8)


async def test_of_parallel_writes_with_one_tag_one_wins(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db)
    path = f"{PATH}{product.id}/"
    headers = people.staff | {"If-Match": (await client.get(path)).headers["etag"]}
    answers = await asyncio.gather(*(client.patch(path, json={"price": n}, headers=headers) for n in range(10, 16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5


async def test_delete_takes_its_store_products_along(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    product = await make_product(db)
    item, stays = await make_store_product(db, product=product), await make_store_product(db)
    assert (await client.delete(f"{PATH}{product.id}/", headers=people.staff)).status_code == 204
    listed = (await client.get("/api/store-products/", headers=people.shopper)).json()
    assert [shown["id"] for shown in listed] == [stays.id]
    assert (await client.get(f"/api/store-products/{item.id}/", headers=people.staff)).status_code == 404


async def test_a_store_product_made_while_its_product_goes(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    """Whoever comes first: nothing of a deleted product is left for sale."""
    store = (await make_store_product(db)).store_id
    for _ in range(10):
        product = await make_product(db)
        body = {"store": store, "product": product.id, "stock": 1, "base_price": "1"}
        made, _ = await asyncio.gather(
            client.post("/api/store-products/", json=body, headers=people.staff),
            client.delete(f"{PATH}{product.id}/", headers=people.staff),
        )
        assert made.status_code in {201, 400}
        left = await client.get(f"/api/store-products/?product={product.id}", headers=people.staff)
        assert left.json() == []
