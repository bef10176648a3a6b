"""Hostile values in every field that reviews, visits and the configuration take: refused by name, or stored safely."""

import json
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.factories_catalog import make_product
from tests.shop import People
from tests.storefront.test_hostile_input import FLAGS, NUMBERS, SAFE_TEXTS, TEXTS

TABLES = ("review", "visitor", "site_config", "activity_log")
REVIEW, VISIT, CONFIG = "/api/reviews/", "/api/register-visit/", "/api/site-config/"
TOGGLE, VALIDATE = "/api/maintenance/toggle/", "/api/maintenance/validate-bypass/"


class Field(NamedTuple):
    method: str
    path: str
    name: str
    values: dict[str, str]


FIELDS = [
    Field("POST", REVIEW, "product", NUMBERS),
    Field("POST", REVIEW, "rating", NUMBERS),
    Field("POST", REVIEW, "comment", TEXTS),
    Field("POST", VISIT, "referrer", TEXTS),
    Field("POST", VISIT, "country", TEXTS),
    Field("POST", VISIT, "city", TEXTS),
    Field("PUT", CONFIG, "min_purchase_amount", NUMBERS),
    Field("PUT", CONFIG, "maintenance_mode", FLAGS),
    Field("PUT", CONFIG, "maintenance_message", TEXTS),
    Field("PUT", CONFIG, "bypass_password", TEXTS),
    Field("POST", TOGGLE, "maintenance_mode", FLAGS),
    Field("POST", TOGGLE, "maintenance_message", TEXTS),
    Field("POST", VALIDATE, "password", TEXTS),
]
BODIES = [b"", b"[]", b"1", b"null", b'"x"', b"{", b"\xff\xfe{\x00}\x00", b'{"a":' * 5000, b"x" * 100]


async def stored(db: AsyncSession) -> dict[str, Any]:
    found = {}
    for table in TABLES:
        statement = text(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")
        found[table] = (await db.execute(statement)).scalar_one()
    await db.commit()
    return found


async def body_of(db: AsyncSession, path: str) -> dict[str, str]:
    """A good body as raw JSON by field; of a configuration one without effect on others."""
    if path == REVIEW:
        return {"product": str((await make_product(db)).id), "rating": "3"}
    return {"password": '"x"'} if path == VALIDATE else {}


def raw(fields: dict[str, str]) -> bytes:
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}").encode()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.path} {field.name}")
async def test_what_cannot_be_is_refused_by_name(
    client: httpx.AsyncClient, db: AsyncSession, people: People, field: Field
) -> None:
    good = await body_of(db, field.path)
    await client.get("/api/site-config/public/")
    before = await stored(db)
    headers = people.staff | {"Content-Type": "application/json"}
    for name, value in field.values.items():
        answer = await client.request(
            field.method, field.path, content=raw(good | {field.name: value}), headers=headers
        )
        assert answer.status_code < 500, (name, answer.text)
        assert answer.status_code in {400, 401}, (name, answer.text)
        if answer.status_code == 400 and "detail" not in answer.json():
            assert list(answer.json()) == [field.name], name
    assert await stored(db) == before


@pytest.mark.parametrize("name", SAFE_TEXTS)
async def test_odd_texts_come_back_as_they_were(
    client: httpx.AsyncClient, db: AsyncSession, people: People, name: str
) -> None:
    odd = SAFE_TEXTS[name]
    product = await make_product(db)
    body = {"product": product.id, "rating": 5, "comment": odd}
    answer = await client.post(REVIEW, json=body, headers=people.shopper)
    assert (answer.status_code, answer.json()["comment"]) == (201, odd)
    answer = await client.put(CONFIG, json={"maintenance_message": odd}, headers=people.staff)
    assert (answer.status_code, answer.json()["maintenance_message"]) == (200, odd)
    headers = {b"User-Agent": odd.encode().replace(b"\r\n", b" ")}
    answer = await client.post(VISIT, json={"referrer": odd, "city": odd[:100]}, headers=headers)
    assert answer.status_code == 200
    (visitor,) = (await client.get("/api/visitors/", headers=people.staff)).json()["results"]
    assert (visitor["referrer"], visitor["city"]) == (odd, odd[:100])


@pytest.mark.parametrize("content", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize(
    "media", ["application/json", "application/x-www-form-urlencoded", "text/xml", "multipart/form-data"]
)
async def test_odd_bodies(
    client: httpx.AsyncClient, db: AsyncSession, people: People, content: bytes, media: str
) -> None:
    headers = people.staff | {"Content-Type": media}
    for method, path in sorted({(field.method, field.path) for field in FIELDS} - {("POST", TOGGLE)}):
        answer = await client.request(method, path, content=content, headers=headers)
        assert answer.status_code in {200, 400, 401, 415}, (path, answer.text)
    for path in (
        "/api/reviews/for_product/?product_id=%00",
        f"/api/reviews/?page={'9' * 30}",
        "/api/visitors/?city=%ff",
    ):
        assert (await client.get(path, headers=people.staff)).status_code in {200, 400, 404}


async def test_a_long_product_id_matches_nothing(client: httpx.AsyncClient, people: People) -> None:
    answer = await client.get(f"/api/reviews/for_product/?product_id={'9' * 60}", headers=people.shopper)
    assert (answer.status_code, answer.json()) == (200, [])
    assert json.loads((await client.get("/api/visitors/?ip_address=::", headers=people.staff)).text)["count"] == 0
