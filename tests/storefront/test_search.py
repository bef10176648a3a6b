"""Search: case, accents, order of words, prefixes, errors of typing, and what is best."""

from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.service.upkeep import CatalogueUpkeep
from tests.factories_catalog import make_category, make_product
from tests.shop import People

PATH = "/api/products/"


async def names(client: httpx.AsyncClient, search: str) -> list[str]:
    answer = await client.get(PATH, params={"search": search})
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["results"]]


@pytest.mark.parametrize(
    "search", ["higado", "HÍGADO", "hígado", "HI\u0301GADO", "Hi\u0301gado", "\uff28\uff29\uff27\uff21\uff24\uff2f"]
)
async def test_accents_case_and_forms_of_letters(client: httpx.AsyncClient, db: AsyncSession, search: str) -> None:
    await make_product(db, name="Hígado de bacalao")
    assert await names(client, search) == ["Hígado de bacalao"]


@pytest.mark.parametrize(
    "search",
    [
        "panel led",
        "led panel",
        "PANEL   100w",
        "pan le",
        "anel",
        "panel solaris",
        "luces panel",
        "100",
        "100W solaris luces led",
    ],
)
async def test_words_in_any_order_prefixes_and_middles(
    client: httpx.AsyncClient, db: AsyncSession, search: str
) -> None:
    category = await make_category(db, name="Luces")
    await make_product(db, name="Panel LED 100W", brand="Solaris", category=category)
    await make_product(db, name="Tijera de podar", brand="Acero")
    assert await names(client, search) == ["Panel LED 100W"]


@pytest.mark.parametrize(
    "typed",
    [
        "fertilisante",
        "fertlizante",
        "fertilizzante",
        "fertiilzante",
        "fetrilizante",
        "fertelisante",
        "fertlizan",
        "macteas",
        "nacetas",
        "maceta5",
    ],
)
async def test_one_or_two_errors_are_forgiven(client: httpx.AsyncClient, db: AsyncSession, typed: str) -> None:
    wanted = "Fertilizante orgánico" if typed.startswith("f") else "Macetas de barro"
    for name in ("Fertilizante orgánico", "Macetas de barro", "Lámpara"):
        await make_product(db, name=name)
    assert await names(client, typed) == [wanted]


@pytest.mark.parametrize("typed", ["fartalisente", "zzzzzzz", "lez", "xx", "mactes de vidrio"])
async def test_more_errors_are_not(client: httpx.AsyncClient, db: AsyncSession, typed: str) -> None:
    for name in ("Fertilizante orgánico", "Macetas de barro", "Luz"):
        await make_product(db, name=name)
    assert await names(client, typed) == []


async def test_a_word_that_is_there_is_no_error(client: httpx.AsyncClient, db: AsyncSession) -> None:
    for name in ("Maceta", "Malla", "Pala", "Panel 100W", "Panel 200W"):
        await make_product(db, name=name)
    assert await names(client, "pala") == ["Pala"]
    assert await names(client, "100w") == ["Panel 100W"]
    assert await names(client, "panel 200w") == ["Panel 200W"]


async def test_the_best_match_comes_first(client: httpx.AsyncClient, db: AsyncSession) -> None:
    soil = await make_category(db, name="Tierra")
    for name, category in (
        ("Tierra", None),
        ("Tierra fértil", None),
        ("Saco de tierra", None),
        ("Enterrador subterraneo", None),
        ("Pala", soil),
    ):
        await make_product(db, name=name, **({"category": category} if category else {}))
    assert await names(client, "tierra") == ["Tierra", "Tierra fértil", "Saco de tierra", "Pala"]


async def test_marks_are_plain_characters(client: httpx.AsyncClient, db: AsyncSession) -> None:
    for name in ("Abono N-P-K 10-10-10", 'Maceta "doble"', "O'Brien & Hijos", "Mezcla 50%", "C++ 🌱 nivel"):
        await make_product(db, name=name)
    for search, found in (
        ("n-p-k", "Abono N-P-K 10-10-10"),
        ("10-10-10", "Abono N-P-K 10-10-10"),
        ('"doble"', 'Maceta "doble"'),
        ("doble", 'Maceta "doble"'),
        ("o'brien", "O'Brien & Hijos"),
        ("brien", "O'Brien & Hijos"),
        ("50%", "Mezcla 50%"),
        ("🌱", "C++ 🌱 nivel"),
        ("c++", "C++ 🌱 nivel"),
        ("mezcla - 50", "Mezcla 50%"),
    ):
        assert await names(client, search) == [found], search


async def test_search_follows_every_change(client: httpx.AsyncClient, db: AsyncSession, people: People) -> None:
    category = await make_category(db, name="Riego")
    product = await make_product(db, name="Manguera", brand="Sur", category=category)
    path = f"{PATH}{product.id}/"
    assert (await client.patch(path, json={"name": "Aspersor"}, headers=people.staff)).status_code == 200
    assert (await names(client, "manguera"), await names(client, "aspersor")) == ([], ["Aspersor"])
    assert (await client.patch(path, json={"brand": "Norte"}, headers=people.staff)).status_code == 200
    assert (await names(client, "sur"), await names(client, "norte")) == ([], ["Aspersor"])
    renamed = await client.patch(f"/api/categories/{category.id}/", json={"name": "Agua"}, headers=people.staff)
    assert renamed.status_code == 200
    assert (await names(client, "riego"), await names(client, "agua")) == ([], ["Aspersor"])
    other = await make_category(db, name="Jardín")
    assert (await client.patch(path, json={"category": other.id}, headers=people.staff)).status_code == 200
    assert (await names(client, "agua"), await names(client, "jardin")) == ([], ["Aspersor"])


async def test_forgotten_words_draw_no_errors_to_themselves(client: httpx.AsyncClient, db: AsyncSession) -> None:
    product = await make_product(db, name="Manguera")
    await make_product(db, name="Mangueta")
    await db.execute(text("UPDATE product SET name = 'Otra' WHERE id = :id"), {"id": product.id})
    await db.execute(text("INSERT INTO search_word (word) VALUES ('mangueta')"))
    assert await CatalogueUpkeep(db).forget_words() == 2
    await db.commit()
    assert await names(client, "manguera") == ["Mangueta"]


INJECTIONS = [
    "' OR '1'='1", "' OR 1=1--", "'; DROP TABLE product; --", '" OR ""="', "1' UNION SELECT NULL--", "admin'--",
    "' AND SLEEP(5)--", "'; SELECT pg_sleep(5)--", "1; WAITFOR DELAY '0:0:5'--", "') OR ('1'='1", "%' OR '%'='",
    "\\' OR 1=1--", "'||(SELECT version())||'", "${7*7}", "{{7*7}}", "'/**/OR/**/1=1", "' UNION ALL SELECT 1,2,3--",
    "1 OR 1=1", "' GROUP BY id HAVING 1=1--", "' ORDER BY 100--", "::int", "E'\\x27'", "$$quoted$$", "a&b", "a|b", "!a",
    "a <-> b", "a:*", "(a", "a)", "'a", "a'", "''", "\\", "\\\\", ":*", "& | !", "<2>", "a <2", "%", "_", "%%", "_%",
    "*", "?", "[a]", "^a$", "(?:x)", "\t\n", "\u2028", "\ud83c", "\ufeff", "\u202e", "null", "NaN", "-0", "1e400",
    "a" * 200, "a " * 100, "' " * 50, "🌱" * 100, "a-" * 90,
]  # fmt: skip


@pytest.mark.parametrize("name", ["search", "category_name", "brand"])
async def test_injections_find_nothing_and_break_nothing(
    client: httpx.AsyncClient, db: AsyncSession, name: str
) -> None:
    assert len(INJECTIONS) >= 60
    category = await make_category(db, name="Qqq")
    await make_product(db, name="Jojoba", brand="Kukui", category=category)
    for value in INJECTIONS:
        answer = await client.get(f"{PATH}?{name}={quote(value.encode('utf-8', 'surrogatepass'))}")
        assert answer.status_code == 200, value
        assert answer.json()["count"] == (1 if not value.strip() else 0), value
    for value in INJECTIONS:
        answer = await client.get(f"{PATH}?ordering={quote(value.encode('utf-8', 'surrogatepass'))}")
        assert answer.status_code == (200 if not value.strip() else 400), value
    assert (await client.get(PATH)).json()["count"] == 1
