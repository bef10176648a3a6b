"""Lists beside the plain one: what is on sale, of a category, related; sorted, by price and brand, with facets."""

import datetime as dt
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.factories_catalog import make_category, make_product
from tests.factories_marketing import make_offer, make_rate, make_scheduled
from tests.shop import Headers, People

PATH = "/api/products/"
NOW_ON = {"start_time": dt.time(0), "end_time": dt.time(23, 59, 59), "override": "applied"}


async def ids(client: httpx.AsyncClient, path: str, headers: Headers | None = None) -> list[int]:
    answer = await client.get(f"{PATH}{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return [item["id"] for item in (body if isinstance(body, list) else body["results"])]


async def test_on_sale_in_three_forms(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    top = await make_category(db, name="Sustratos")
    below = await make_category(db, parent_id=top.id)
    plain = await make_product(db)
    direct = (await make_product(db, discount=10)).id
    special = (await make_product(db, has_special_promotion=True, special_promotion_name="2x1")).id
    offered = await make_product(db)
    by_day = await make_product(db, category=below)
    hidden = (await make_product(db, discount=10, is_available=False)).id
    await make_offer(
        db,
        offered,
        plain,
        start_date=dt.datetime(2030, 1, 1, tzinfo=dt.UTC),
        end_date=dt.datetime(2031, 1, 1, tzinfo=dt.UTC),
    )
    await make_offer(db, offered)
    await make_scheduled(db, top, override_since=dt.datetime.now(dt.UTC), **NOW_ON)
    every = [by_day.id, offered.id, special, direct]
    assert await ids(client, "on-sale/") == every
    assert await ids(client, "on-sale-fast/") == every
    assert await ids(client, "on-sale-simple/") == [direct]
    assert await ids(client, "?on_sale=true") == every
    assert await ids(client, "?price_filter=on_sale") == every
    assert await ids(client, "?on_sale=false") == [plain.id]
    for path in ("on-sale/", "on-sale-fast/"):
        assert await ids(client, path, people.staff) == [hidden, *every]
    assert await ids(client, "on-sale-simple/", people.staff) == [hidden, direct]


async def test_on_sale_fast_is_a_bare_array_of_cards(client: httpx.AsyncClient, db: AsyncSession) -> None:
    options = {"Color": [('Rojo "vivo"', 5, "100.00"), ("@7@", 0, "0")]}
    await make_product(db, name='"stock":"@1@"', discount=10, options=options, stock=3)
    fast = (await client.get(f"{PATH}on-sale-fast/")).json()
    assert fast == (await client.get(f"{PATH}on-sale/")).json()["results"]
    assert (fast[0]["name"], fast[0]["stock"]) == ('"stock":"@1@"', 3)
    assert [option["stock"] for option in fast[0]["variants"][0]["options"]] == [5, 0]


async def test_pages_of_what_is_on_sale(client: httpx.AsyncClient, db: AsyncSession) -> None:
    category = await make_category(db)
    for _ in range(25):
        await make_product(db, category=category, discount=5)
    for path in ("on-sale/", "on-sale-simple/"):
        page = (await client.get(PATH + path)).json()
        assert (page["count"], len(page["results"]), page["previous"]) == (25, 24, None)
        assert page["next"] == f"http://testserver{PATH}{path}?page=2"
        assert len((await client.get(f"{PATH}{path}?page_size=7&page=4")).json()["results"]) == 4
        assert (await client.get(f"{PATH}{path}?page=3")).status_code == 404
    assert len((await client.get(f"{PATH}on-sale-fast/")).json()) == 25


async def test_by_category(client: httpx.AsyncClient, db: AsyncSession) -> None:
    top = await make_category(db, name="Riego")
    below = await make_category(db, name="Goteo", parent_id=top.id)
    other = await make_product(db)
    own = [(await make_product(db, category=top, name=f"Bomba {n}")).id for n in range(12)]
    child = (await make_product(db, category=below, name="Gotero")).id
    page = (await client.get(f"{PATH}by-category/?category_name=RIEGO")).json()
    assert (page["count"], [item["id"] for item in page["results"]]) == (13, [child, *reversed(own)][:12])
    assert page["next"] == f"http://testserver{PATH}by-category/?category_name=RIEGO&page=2"
    assert await ids(client, "by-category/?category_name=riego&search=gotero") == [child]
    assert await ids(client, "by-category/?category_name=nada") == []
    assert other.id not in await ids(client, "by-category/?category_name=riego&page_size=100")
    for query in ("", "?category_name=", "?search=bomba"):
        answer = await client.get(f"{PATH}by-category/{query}")
        assert (answer.status_code, answer.json()) == (400, {"error": "category_name is required."})


async def test_related(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    category, other = await make_category(db), await make_category(db)
    itself = await make_product(db, category=category, brand="Bio")
    same_brand = (await make_product(db, category=other, brand="BIO")).id
    both = (await make_product(db, category=category, brand="Bio")).id
    neighbour = (await make_product(db, category=category, brand="Sol")).id
    hidden = await make_product(db, category=category, brand="Bio", is_available=False)
    await make_product(db, category=other, brand="Sol")
    near = [both, neighbour, same_brand]
    for headers in (people.nobody, people.staff):
        assert await ids(client, f"{itself.id}/related/", headers) == near
    assert await ids(client, f"{hidden.id}/related/", people.staff) == [both, itself.id, neighbour, same_brand]
    many = [(await make_product(db, category=category)).id for _ in range(9)]
    assert await ids(client, f"{itself.id}/related/") == [both, *reversed(many[2:])]
    for missing in (hidden.id, 0, 10**15):
        answer = await client.get(f"{PATH}{missing}/related/")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


async def test_products_without_a_brand_are_not_related_by_it(client: httpx.AsyncClient, db: AsyncSession) -> None:
    lonely = await make_product(db)
    await make_product(db)
    assert await ids(client, f"{lonely.id}/related/") == []


async def test_orderings(client: httpx.AsyncClient, db: AsyncSession) -> None:
    await make_rate(db, Decimal(1000))
    dear = (await make_product(db, name="ñandú", price=Decimal("2.00"), currency="USD", discount=50)).id
    cheap = (await make_product(db, name="Zapallo", price=Decimal("900.00"))).id
    middle = (await make_product(db, name="árbol", price=Decimal("1900.00"), discount=Decimal("47.5"))).id
    assert await ids(client, "?ordering=price") == [cheap, middle, dear]
    assert await ids(client, "?ordering=-price") == [dear, middle, cheap]
    assert await ids(client, "?ordering=name") == [middle, dear, cheap]
    assert await ids(client, "?ordering=-name") == [cheap, dear, middle]
    assert await ids(client, "?ordering=created_at") == [dear, cheap, middle]
    assert await ids(client, "?ordering=-created_at") == [middle, cheap, dear]
    assert await ids(client, "?ordering=-discount") == [dear, middle, cheap]
    assert await ids(client, "?ordering=") == [middle, cheap, dear]
    for bad in ("price;drop", "id", "sku", "--price", "price,name"):
        answer = await client.get(f"{PATH}?ordering={bad}")
        message = f"Select a valid choice. {bad} is not one of the available choices."
        assert (answer.status_code, answer.json()) == (400, {"ordering": [message]})


async def test_prices_are_compared_in_pesos_after_discounts(client: httpx.AsyncClient, db: AsyncSession) -> None:
    pesos = (await make_product(db, price=Decimal("1000.00"))).id
    dollars = (await make_product(db, price=Decimal("1.00"), currency="USD")).id
    reduced = await make_product(db, price=Decimal("4000.00"))
    await make_offer(db, reduced, discount=Decimal(75))
    # Without a rate a price in dollars is none to compare, and comes last in either direction.
    assert await ids(client, "?max_price=99999999") == [reduced.id, pesos]
    assert await ids(client, "?ordering=price") == [pesos, reduced.id, dollars]
    assert await ids(client, "?ordering=-price") == [reduced.id, pesos, dollars]
    await make_rate(db, Decimal("1000.01"))
    assert await ids(client, "?min_price=1000.01") == [dollars]
    assert await ids(client, "?max_price=1000") == [reduced.id, pesos]
    assert await ids(client, "?min_price=1000&max_price=1000.00") == [reduced.id, pesos]
    assert await ids(client, "?min_price=2000&max_price=1000") == []
    assert await ids(client, "?min_price=-5") == [reduced.id, dollars, pesos]
    assert await ids(client, "?min_price=" + "9" * 40) == []


@pytest.mark.parametrize("value", ["x", "1e3", "NaN", "Infinity", "1,5", "--1", "1' OR '1'='1", "%00"])
async def test_prices_that_are_none(client: httpx.AsyncClient, value: str) -> None:
    for name in ("min_price", "max_price"):
        answer = await client.get(PATH, params={name: value})
        assert answer.status_code == 400
        assert list(answer.json()) == [name]


async def test_brand(client: httpx.AsyncClient, db: AsyncSession) -> None:
    mine = (await make_product(db, brand="BioBizz")).id
    await make_product(db, brand="BioBizz Plus")
    assert await ids(client, "?brand=biobizz") == [mine]
    assert await ids(client, "?brand=bio%25") == []


async def test_facets_count_all_that_is_found(client: httpx.AsyncClient, db: AsyncSession) -> None:
    lamps, soil = await make_category(db, name="Luces"), await make_category(db, name="Sustratos")
    for brand, category in (("Sol", lamps), ("Sol", lamps), ("Luna", lamps), ("", soil)):
        await make_product(db, name="Panel", brand=brand, category=category)
    await make_product(db, name="Tierra", brand="Sol", category=soil)
    page = (await client.get(f"{PATH}?search=panel&facets=true&page_size=1")).json()
    assert (page["count"], len(page["results"])) == (4, 1)
    assert page["facets"] == {
        "brands": [{"name": "Sol", "count": 2}, {"name": "Luna", "count": 1}],
        "categories": [
            {"id": lamps.id, "name": "Luces", "count": 3},
            {"id": soil.id, "name": "Sustratos", "count": 1},
        ],
    }
    assert "facets" not in (await client.get(f"{PATH}?search=panel")).json()
    nothing = (await client.get(f"{PATH}?search=nada&facets=1")).json()
    assert (nothing["count"], nothing["facets"]) == (0, {"brands": [], "categories": []})


async def test_equal_times_are_walked_once_each(client: httpx.AsyncClient, db: AsyncSession) -> None:
    category = await make_category(db, name="Todo")
    made = [(await make_product(db, category=category, discount=5, name="Igual")).id for _ in range(200)]
    await db.execute(text("UPDATE product SET created_at = '2026-01-01'"))
    await db.commit()
    for query in (
        "",
        "&category_name=todo",
        "&search=igual",
        "&on_sale=true",
        "&ordering=price",
        "&ordering=created_at",
        "&ordering=created_at&category_name=todo",
        "&stock_filter=in_stock",
    ):
        walked: list[int] = []
        for page in range(1, 16):
            walked += await ids(client, f"?page_size=14&page={page}{query}")
        assert len(walked) == 200
        assert set(walked) == set(made)
        last = await ids(client, f"?page_size=14&page=last{query}")
        assert last == walked[-4:]


async def test_names_of_all_kinds(client: httpx.AsyncClient, db: AsyncSession) -> None:
    names = [
        'Maceta "doble" 5\'',
        "🌱 Semilla 🌶️",
        "مزرعة צמח",
        "a\\b/c\u2028d",
        "<script>alert(1)</script>",
        "{}[]:,null",
    ]
    for name in names:
        product = await make_product(db, name=name, brand=name, options={name: [(name, 1, "0")]}, discount=1)
        detail = (await client.get(f"{PATH}{product.id}/")).json()
        for path in ("", "on-sale/", "on-sale-fast/"):
            body = (await client.get(PATH + path)).json()
            card = (body if isinstance(body, list) else body["results"])[0]
            assert (card["name"], card["brand"]) == (name, name)
            assert (
                card["variants"]
                == detail["variants"]
                == [{"variant_name": name, "options": [{"name": name, "stock": 1, "price_adjustment": "0.00"}]}]
            )
        assert product.id in await ids(
            client, f"?search={httpx.QueryParams({'q': name})['q'].split()[0]}".replace("#", "")
        )


async def test_a_product_with_two_hundred_options(client: httpx.AsyncClient, db: AsyncSession) -> None:
    options = {f"Variante {v}": [(f"Opción {n}", n, f"{n}.50") for n in range(100)] for v in range(2)}
    product = await make_product(db, options=options, stock=0, discount=1)
    detail = (await client.get(f"{PATH}{product.id}/")).json()
    assert detail["total_stock"] == 2 * sum(range(100))
    assert [len(variant["options"]) for variant in detail["variants"]] == [100, 100]
    for path in ("", "on-sale-fast/"):
        body = (await client.get(PATH + path)).json()
        assert (body if isinstance(body, list) else body["results"])[0]["variants"] == detail["variants"]
    assert await ids(client, "?stock_filter=in_stock") == [product.id]
