"""What is kept for all must hold nothing of one: neither of staff, nor of a caller, nor of a request's headers."""

from decimal import Decimal

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Category
from tests.factories_catalog import make_category, make_product
from tests.shop import Headers, People

# Kept for a while by each process, and read by everybody.
KEPT = ("/api/products/on-sale-fast/", "/api/products/hierarchical/", "/api/categories/hierarchical/")
READ = (*KEPT, "/api/products/", "/api/products/on-sale/", "/api/products/on-sale-simple/", "/api/products/categories/")
# Fields that no shopper is shown anywhere.
PRIVATE = ("sheets_row_number", "sheets_last_sync", "pool_id", "deleted_at", "password", "email", "admin_notes")
FORGED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "javascript",
    "X-Original-URL": "/api/auth/me/",
    "X-Rewrite-URL": "/api/auth/me/",
    "Forwarded": "host=evil.example;proto=https",
    "X-Host": "evil.example",
    "Origin": "https://evil.example",
    "Accept-Language": "evil",
    "Cookie": "evil=1",
}


@pytest.fixture
async def shelf(db: AsyncSession) -> Category:
    """Things on sale, one of them for staff's eyes alone."""
    category = await make_category(db, name="Visible")
    for name, available in (("Oferta", True), ("Secreta", False)):
        await make_product(
            db,
            name=name,
            category=category,
            discount=Decimal(10),
            is_available=available,
            image="products/x.png",
            has_special_promotion=True,
            special_promotion_name="x",
        )
    return category


async def read(client: httpx.AsyncClient, path: str, headers: Headers) -> httpx.Response:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("path", READ)
@pytest.mark.usefixtures("shelf")
async def test_staff_who_ask_first_show_shoppers_nothing(client: httpx.AsyncClient, people: People, path: str) -> None:
    seen = await read(client, path, people.staff)
    for headers in (people.nobody, people.shopper, people.nobody):
        answer = await read(client, path, headers)
        assert "Secreta" not in answer.text
        assert not any(f'"{field}"' in answer.text for field in PRIVATE)
    again = await read(client, path, people.staff)
    assert again.json() == seen.json()


@pytest.mark.parametrize("path", READ)
@pytest.mark.usefixtures("shelf")
async def test_all_shoppers_are_shown_the_same(client: httpx.AsyncClient, people: People, path: str) -> None:
    answers = [await read(client, path, headers) for headers in (people.shopper, people.owner, people.nobody)]
    assert answers[0].content == answers[1].content == answers[2].content
    # What is sent to somebody signed in is kept by nobody on the way; to others it is asked for again each time.
    assert [answer.headers["cache-control"] for answer in answers] == ["no-store", "no-store", "no-cache"]
    assert all("authorization" in answer.headers["vary"].lower() for answer in answers)


@pytest.mark.parametrize("path", READ)
@pytest.mark.usefixtures("shelf")
async def test_headers_of_one_are_not_read_by_another(client: httpx.AsyncClient, people: People, path: str) -> None:
    for name, value in FORGED.items():
        await client.get(path, headers={name: value})
    await client.get(path, headers=FORGED)
    answer = await read(client, path, people.nobody)
    assert "evil" not in answer.text
    assert "javascript" not in answer.text
    assert "evil" not in str(answer.headers)


@pytest.mark.parametrize("path", KEPT)
@pytest.mark.parametrize("query", ["?page_size=1", "?search=Secreta", "?is_available=false", "?is_available=x&utm=1"])
@pytest.mark.usefixtures("shelf")
async def test_parameters_of_one_are_not_read_by_another(
    client: httpx.AsyncClient, people: People, path: str, query: str
) -> None:
    for headers in (people.staff, people.nobody):
        await client.get(path + query, headers=headers)
    first = await read(client, path, people.nobody)
    assert "Secreta" not in first.text
    assert first.content == (await read(client, path, people.shopper)).content


async def test_what_staff_hide_is_hidden_at_the_next_read(
    client: httpx.AsyncClient, people: People, shelf: Category
) -> None:
    listed = (await read(client, KEPT[0], people.nobody)).json()
    assert [product["name"] for product in listed] == ["Oferta"]
    (tree,) = (await read(client, KEPT[1], people.nobody)).json()
    assert (tree["name"], tree["product_count"]) == (shelf.name, 1)
    path = f"/api/products/{listed[0]['id']}/"
    answer = await client.patch(path, json={"is_available": False}, headers=people.staff)
    assert answer.status_code == 200
    assert (await read(client, KEPT[0], people.nobody)).json() == []
    assert (await read(client, KEPT[1], people.nobody)).json()[0]["product_count"] == 0
