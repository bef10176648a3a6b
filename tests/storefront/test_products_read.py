"""Products as shoppers and staff read them: shapes, visibility, pages, filters, prices."""

import re
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from tests.factories_catalog import make_category, make_product
from tests.shop import Headers, People

PATH = "/api/products/"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
OPTIONS = {"Color": [("Rojo", 5, "100.00"), ("Azul", 2, "0")], "Talle": [("S", 1, "-50.50")]}
VARIANTS = [
    {
        "variant_name": "Color",
        "options": [
            {"name": "Rojo", "stock": 5, "price_adjustment": "100.00"},
            {"name": "Azul", "stock": 2, "price_adjustment": "0.00"},
        ],
    },
    {"variant_name": "Talle", "options": [{"name": "S", "stock": 1, "price_adjustment": "-50.50"}]},
]


async def listed(client: httpx.AsyncClient, query: str = "", headers: Headers | None = None) -> list[int]:
    answer = await client.get(f"{PATH}?page_size=100&{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["results"]]


async def test_list_item_and_detail_have_the_contracts_shape(client: httpx.AsyncClient, db: AsyncSession) -> None:
    parent = await make_category(db, name="Plantas")
    category = await make_category(db, name="Fertilizantes", parent_id=parent.id)
    product = await make_product(
        db, stock=10, category=category, options=OPTIONS, name="Abono", brand="Bio", discount=10, volume="1L"
    )
    item = {
        "id": product.id,
        "name": "Abono",
        "brand": "Bio",
        "price": "1500.00",
        "currency": "ARS",
        "stock": 10,
        "image": None,
        "is_available": True,
        "discount": 10,
        "category_name": "Fertilizantes",
        "has_variants": True,
        "variants": VARIANTS,
        "final_price": "1350.00",
        "total_discount": 10,
        "has_special_promotion": False,
        "special_promotion_name": None,
    }
    page = (await client.get(PATH)).json()
    assert page == {"count": 1, "next": None, "previous": None, "results": [item]}
    answer = await client.get(f"{PATH}{product.id}/")
    detail = answer.json()
    assert INSTANT.fullmatch(detail.pop("created_at"))
    assert INSTANT.fullmatch(detail.pop("updated_at"))
    assert detail == item | {
        "description": "",
        "category": {"id": category.id, "name": "Fertilizantes", "parent": parent.id, "slug": "fertilizantes"},
        "total_stock": 8,
        "volume": "1L",
        "dimensions": "",
        "image_2": None,
        "active_offers": [],
    }
    assert answer.headers["etag"]
    # JSON knows one kind of number, but readers of typed languages see the difference.
    assert '"discount":10,' in answer.text


@pytest.mark.parametrize(
    ("price", "discount", "final"),
    [
        ("0.00", "50", "0.00"),
        ("1500.00", "0", "1500.00"),
        ("1500.00", "100", "0.00"),
        ("0.01", "50", "0.01"),  # 0.005 is rounded half up
        ("10.05", "50", "5.03"),
        ("99999999.99", "12.5", "87499999.99"),
        ("33.33", "33.33", "22.22"),
    ],
)
async def test_prices(client: httpx.AsyncClient, db: AsyncSession, price: str, discount: str, final: str) -> None:
    product = await make_product(db, price=Decimal(price), discount=Decimal(discount))
    text_of = (await client.get(f"{PATH}{product.id}/")).text
    assert f'"price":"{price}"' in text_of
    assert f'"final_price":"{final}"' in text_of
    assert f'"discount":{discount},' in text_of
    assert f'"total_discount":{discount},' in text_of


async def test_special_promotion_and_currency(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db, currency="USD", has_special_promotion=True, special_promotion_name="2x1")
    detail = (await client.get(f"{PATH}{product.id}/")).json()
    assert (detail["currency"], detail["has_special_promotion"], detail["special_promotion_name"]) == (
        "USD",
        True,
        "2x1",
    )


async def test_total_stock_without_variants_is_its_own(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db, stock=4, options=OPTIONS, has_variants=False)
    detail = (await client.get(f"{PATH}{product.id}/")).json()
    assert (detail["stock"], detail["total_stock"], detail["has_variants"]) == (4, 4, False)


async def test_the_public_sees_what_is_available_and_staff_everything(
    client: httpx.AsyncClient, db: AsyncSession, people: People
) -> None:
    shown, hidden = await make_product(db), await make_product(db, is_available=False)
    missing = {"detail": "Not found."}
    for headers in (people.nobody, people.shopper):
        assert await listed(client, headers=headers) == [shown.id]
        assert await listed(client, "is_available=false", headers) == [shown.id]
        assert await listed(client, "is_available=nonsense", headers) == [shown.id]
        answer = await client.get(f"{PATH}{hidden.id}/", headers=headers)
        assert (answer.status_code, answer.json()) == (404, missing)
    assert await listed(client, headers=people.staff) == [hidden.id, shown.id]
    for value in ("false", "False", "0"):
        assert await listed(client, f"is_available={value}", people.staff) == [hidden.id]
    for value in ("true", "True", "1"):
        assert await listed(client, f"is_available={value}", people.staff) == [shown.id]
    refused = await client.get(f"{PATH}?is_available=nonsense", headers=people.staff)
    assert (refused.status_code, refused.json()) == (400, {"is_available": ["Must be a valid boolean."]})
    assert (await client.get(f"{PATH}{hidden.id}/", headers=people.staff)).status_code == 200


async def test_a_bad_token_is_refused_though_reading_is_public(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH, headers={"Authorization": "Bearer x.y.z"})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")


async def test_basic_works_beside_bearer(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product = await make_product(db)
    answer = await client.post(PATH, json={}, headers={"Authorization": "Basic eDp5"})
    assert answer.status_code == 401
    assert await listed(client, headers=people.shopper) == [product.id]


async def test_newest_first_and_pages_of_24(client: httpx.AsyncClient, db: AsyncSession) -> None:
    category = await make_category(db, name="Luces")
    ids = [(await make_product(db, category=category)).id for _ in range(25)]
    # The same instant for all: the id decides.
    await db.execute(text("UPDATE product SET created_at = '2026-01-01'"))
    await db.execute(text("UPDATE product SET created_at = '2026-01-02' WHERE id = :id"), {"id": ids[0]})
    await db.commit()
    newest = [ids[0], *reversed(ids[1:])]
    page = (await client.get(PATH)).json()
    assert (page["count"], page["next"], page["previous"]) == (25, "http://testserver/api/products/?page=2", None)
    assert [item["id"] for item in page["results"]] == newest[:24]
    page = (await client.get(f"{PATH}?page=2")).json()
    assert (page["next"], page["previous"]) == (None, "http://testserver/api/products/")
    assert [item["id"] for item in page["results"]] == newest[24:]
    page = (await client.get(f"{PATH}?category_name=luces&page=2")).json()
    assert [item["id"] for item in page["results"]] == newest[12:24]
    assert page["next"] == "http://testserver/api/products/?category_name=luces&page=3"
    page = (await client.get(f"{PATH}?category_name=luces&page_size=20")).json()
    assert len(page["results"]) == 20


@pytest.mark.parametrize("page", ["0", "-1", "2", "1e18", "x", "999999999999999999999", "1_0", "\u0661", "1.0", "%00"])
async def test_pages_that_are_none(client: httpx.AsyncClient, page: str) -> None:
    answer = await client.get(f"{PATH}?page={page}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


@pytest.mark.parametrize("size", ["0", "-1", "x", "1e9", "", "\u0661", "%00", "1.5"])
async def test_page_sizes_that_are_none_are_ignored(client: httpx.AsyncClient, db: AsyncSession, size: str) -> None:
    category = await make_category(db)
    for _ in range(25):
        await make_product(db, category=category)
    assert len((await client.get(f"{PATH}?page_size={size}")).json()["results"]) == 24


async def test_page_size_is_cut_to_a_hundred(client: httpx.AsyncClient, db: AsyncSession) -> None:
    category = await make_category(db)
    for _ in range(101):
        await make_product(db, category=category)
    page = (await client.get(f"{PATH}?page_size=1000000000")).json()
    assert (page["count"], len(page["results"])) == (101, 100)


async def test_category_filter_ignores_case_and_takes_descendants(client: httpx.AsyncClient, db: AsyncSession) -> None:
    top = await make_category(db, name="ÁRBOLES")
    below = await make_category(db, name="Frutales", parent_id=top.id)
    deep = await make_category(db, name="Cítricos", parent_id=below.id)
    other = await make_category(db, name="Árboles secos")
    own, child, leaf, far = [(await make_product(db, category=category)).id for category in (top, below, deep, other)]
    assert await listed(client, "category_name=árboles") == [leaf, child, own]
    assert await listed(client, "category_name=FRUTALES") == [leaf, child]
    assert await listed(client, "category_name=cítricos") == [leaf]
    assert await listed(client, "category_name=nada") == []
    assert await listed(client, "category_name=") == [far, leaf, child, own]
    assert await listed(client, "category_name=%25") == []


async def test_search_ignores_case_and_accents_and_knows_no_wildcards(
    client: httpx.AsyncClient, db: AsyncSession
) -> None:
    top = await make_category(db, name="Jardín")
    herbs = await make_category(db, name="Hierbas", parent_id=top.id)
    by_name = (await make_product(db, category=herbs, name="Ñandú 50% _x\\y")).id
    by_brand = (await make_product(db, category=herbs, brand="BIÓBIZZ")).id
    by_category = (await make_product(db, category=top)).id
    assert await listed(client, "search=nandu") == [by_name]
    assert await listed(client, "search=biobízz") == [by_brand]
    assert await listed(client, "search=JARDIN") == [by_category]
    assert await listed(client, "search=hierbas") == [by_brand, by_name]
    for literal in ("50%25", "_x", "x\\y", "%25 _"):
        assert await listed(client, f"search={literal}") == [by_name]
    for wildcard in ("n%25u", "n_ndu", "%25%25", "\\%25", "'; DROP TABLE product --", "x" * 5000):
        assert await listed(client, f"search={wildcard}") == []
    assert await listed(client, "search=") == [by_category, by_brand, by_name]


async def test_stock_filter_counts_options(client: httpx.AsyncClient, db: AsyncSession) -> None:
    none = (await make_product(db, stock=0)).id
    few = (await make_product(db, stock=5)).id
    many = (await make_product(db, stock=6)).id
    few_options = (await make_product(db, stock=0, options={"A": [("a", 1, "0"), ("b", 0, "0")]})).id
    no_options = (await make_product(db, stock=9, options={"A": [("a", 0, "0")]})).id
    assert await listed(client, "stock_filter=in_stock") == [few_options, many, few]
    assert await listed(client, "stock_filter=low_stock") == [few_options, few]
    assert await listed(client, "stock_filter=out_of_stock") == [no_options, none]


async def test_price_filter_and_on_sale(client: httpx.AsyncClient, db: AsyncSession) -> None:
    free = (await make_product(db, price=Decimal(0))).id
    plain = (await make_product(db)).id
    cheap = (await make_product(db, discount=Decimal("0.01"))).id
    special = (await make_product(db, has_special_promotion=True)).id
    assert await listed(client, "price_filter=with_price") == [special, cheap, plain]
    assert await listed(client, "price_filter=without_price") == [free]
    assert await listed(client, "price_filter=on_sale") == [special, cheap]
    for value in ("true", "True", "1"):
        assert await listed(client, f"on_sale={value}") == [special, cheap]
    assert await listed(client, "on_sale=false") == [plain, free]


@pytest.mark.parametrize("name", ["stock_filter", "price_filter"])
async def test_unknown_choices_are_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"{PATH}?{name}=all")
    message = "Select a valid choice. all is not one of the available choices."
    assert (answer.status_code, answer.json()) == (400, {name: [message]})


async def test_odd_queries_are_harmless(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db)
    for query in ("unknown=1", "search[]=x", "page=1&page=1", "stock_filter=nonsense&stock_filter=in_stock", "on_sale"):
        assert await listed(client, query) == [product.id]
    for query in ("search=%00", "category_name=a%00b", "stock_filter=%00", "on_sale=maybe"):
        assert (await client.get(f"{PATH}?{query}")).status_code == 400
    for query in ("search=%ff%fe", "search=%ed%a0%80", "category_name=%F0%9F%8C%B1", "search=%E2%80%8F"):
        assert (await client.get(f"{PATH}?{query}")).status_code == 200


async def test_literal_routes_come_before_ids(client: httpx.AsyncClient) -> None:
    for path in ("categories", "hierarchical"):
        answer = await client.get(f"{PATH}{path}/")
        assert (answer.status_code, answer.json()) == (200, [])
    for path in ("0", "99", "abc", "1_0", "9223372036854775808"):
        assert (await client.get(f"{PATH}{path}/")).status_code == 404


async def test_a_deleted_product_is_gone(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    product, stays = await make_product(db), await make_product(db)
    answer = await client.delete(f"{PATH}{product.id}/", headers=people.staff)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await listed(client, headers=people.staff) == [stays.id]
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"name": "X", "price": "1", "category": stays.category_id}
        gone = await client.request(method, f"{PATH}{product.id}/", json=body, headers=people.staff)
        assert (gone.status_code, gone.json()) == (404, {"detail": "Not found."})
    await db.refresh(product)
    assert (product.deleted_at is not None, product.name) == (True, product.name)
    assert await db.get(Product, product.id) is product
