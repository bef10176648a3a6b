"""Hostile values in every field of every write: refused by name with nothing changed, or stored safely; never a 5xx."""

import json
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.factories_catalog import make_category, make_product, make_store, make_store_product
from tests.shop import People, stored

# Raw JSON, since some of it is what no encoder would write.
TEXTS = {
    "nul": r'"a\u0000b"',
    "only nul": r'"\u0000"',
    "lone surrogate": r'"a\ud800b"',
    "swapped surrogates": r'"\udc00\ud800"',
    "megabyte": json.dumps("x" * (1 << 20)),
    "true": "true",
    "list": '["x"]',
    "object": '{"a": "b"}',
    "null": "null",
}
SAFE_TEXTS = {
    "right to left": "\u202eabc\u200b",
    "lines": "a\r\nX-Evil: 1",
    "template": "{{7*7}}${7*7}<script>alert(1)</script>",
    "percent": "%00%s%n",
    "sql": "'; DROP TABLE product; --",
    "astral": "🌱" * 10,
}
NUMBERS = {
    name: name
    for name in (
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1E+1000000",
        "0.001",
        "-1",
        "2147483648",
        "9223372036854775808",
        "9" * 30,
        "1" + "0" * 5000,
        "true",
        "false",
        "null",
        "[]",
        "{}",
        '"NaN"',
        '"sNaN"',
        '"-Infinity"',
        '"1e400"',
        '"1e5"',
        '"1_0"',
        '"\u0661\u0662"',
        '"0x10"',
        '""',
        '"1,5"',
        '"1 0"',
        r'"\u0000"',
        r'"\ud800"',
        json.dumps("9" * (1 << 20)),
    )
}
FLAGS = {name: name for name in ("2", "-1", '"maybe"', "[]", "{}", "null", "1.5", '""', r'"\u0000"')}
POINTS = {
    name: name
    for name in (
        '{"lat": NaN, "lon": 1}',
        '{"lat": 1e400, "lon": 1}',
        '{"lat": 91, "lon": 1}',
        '{"lat": 1, "lon": 181}',
        '{"lat": "1", "lon": "1"}',
        '{"lat": true, "lon": false}',
        f'{{"lat": {"9" * 400}, "lon": 1}}',
        '{"type": "Point", "coordinates": [1e308, 1e308]}',
        '{"type": "Point", "coordinates": {"0": 1, "1": 2}}',
        '{"type": "Point"}',
        '{"type": ["Point"], "coordinates": [1, 2]}',
        r'{"type": "Po\u0000int", "coordinates": [1, 2]}',
        "[[[[1, 2]]]]",
        r'"\u0000"',
        "null",
        "5",
    )
}
VARIANTS = {
    name: name
    for name in (
        "null",
        "1",
        r'[{"variant_name": "a\u0000", "options": [{"name": "x"}]}]',
        r'[{"variant_name": "a", "options": [{"name": "\ud800"}]}]',
        '[{"variant_name": "a", "options": [{"name": "x", "stock": 2147483648}]}]',
        '[{"variant_name": "a", "options": [{"name": "x", "stock": 1e400}]}]',
        '[{"variant_name": "a", "options": [{"name": "x", "stock": true}]}]',
        '[{"variant_name": "a", "options": [{"name": "x", "price_adjustment": "sNaN"}]}]',
        '[{"variant_name": "a", "options": [{"name": "x", "price_adjustment": 1e9}]}]',
        '[{"variant_name": "a", "options": [{"name": {}}]}]',
        '[{"variant_name": ["a"], "options": [{"name": "x"}]}]',
        "[" * 60 + "]" * 60,
        json.dumps([{"variant_name": "x" * 101, "options": [{"name": "x"}]}]),
    )
}
CHOICES = {name: name for name in ('"EUR"', '"ars"', "1", "null", "[]", r'"AR\u0000S"', json.dumps("A" * (1 << 20)))}


class Target(NamedTuple):
    """A resource to write: where, a body that is fine, and the hostile values of each field."""

    path: str
    body: dict[str, Any]
    fields: dict[str, dict[str, str]]
    safe: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Short: each fixture's task is shown to itself when it ends, with what it gave, and here that is megabytes."""
        return self.path


@pytest.fixture
async def targets(db: AsyncSession) -> dict[str, Target]:
    item = await make_store_product(db)
    product = await make_product(db, options={"a": [("x", 1, "0")]})
    category, store = await make_category(db), await make_store(db)
    fresh = await make_product(db)
    texts = ("name", "brand", "description", "volume", "dimensions", "special_promotion_name")
    return {
        "categories": Target(
            f"/api/categories/{category.id}/",
            {"name": "Hostil", "parent": None},
            {"name": TEXTS, "parent": {k: v for k, v in NUMBERS.items() if v != "null"}},
            ("name",),
        ),
        "products": Target(
            f"/api/products/{product.id}/",
            {"name": "Hostil", "category": category.id, "price": "10.00"},
            {
                **dict.fromkeys(texts, TEXTS),
                **dict.fromkeys(("category", "price", "discount", "stock"), NUMBERS),
                **dict.fromkeys(("has_variants", "is_available", "has_special_promotion"), FLAGS),
                "special_promotion_name": {k: v for k, v in TEXTS.items() if v != "null"},
                "variants": VARIANTS,
                "currency": CHOICES,
                "image": {k: v for k, v in TEXTS.items() if v != "null"},
            },
            ("name", "brand", "description", "dimensions"),
        ),
        "stores": Target(
            f"/api/stores/{store.id}/",
            {"name": "Hostil", "geom": {"lat": 1, "lon": 2}},
            {
                "name": TEXTS,
                "geom": POINTS,
                "owner": {k: v for k, v in NUMBERS.items() if v != "null"},
                "is_active": FLAGS,
            },
            ("name",),
        ),
        "store-products": Target(
            f"/api/store-products/{item.id}/",
            {"store": store.id, "product": fresh.id, "stock": 1, "base_price": "1.00"},
            dict.fromkeys(("store", "product", "stock", "base_price"), NUMBERS),
        ),
    }


def raw(body: dict[str, Any], field: str, value: str) -> bytes:
    """The body's JSON with one field's raw text put in."""
    rest = json.dumps({name: kept for name, kept in body.items() if name != field})
    return f'{{"{field}": {value}, {rest[1:]}'.replace(", }", "}").encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("kind", ["categories", "products", "stores", "store-products"])
async def test_every_field_refuses_what_it_cannot_hold(
    client: httpx.AsyncClient, db: AsyncSession, people: People, targets: dict[str, Target], *, kind: str, method: str
) -> None:
    target = targets[kind]
    path = f"/api/{kind}/" if method == "POST" else target.path
    headers = people.staff | {"Content-Type": "application/json"}
    before = await stored(db)
    for field, values in target.fields.items():
        for name, value in values.items():
            content = raw({} if method == "PATCH" else target.body, field, value)
            answer = await client.request(method, path, content=content, headers=headers)
            told = answer.json()
            assert answer.status_code == 400, (field, name, answer.status_code, told)
            # Either the field is named, or the JSON itself cannot be read.
            assert set(told) == {field} or str(told["detail"]).startswith("JSON parse error - "), (field, name, told)
    assert await stored(db) == before


@pytest.mark.parametrize("kind", ["categories", "products", "stores"])
async def test_odd_but_harmless_text_is_stored_as_it_is(
    client: httpx.AsyncClient, people: People, targets: dict[str, Target], kind: str
) -> None:
    target = targets[kind]
    for field in target.safe:
        for value in SAFE_TEXTS.values():
            answer = await client.patch(target.path, json={field: value}, headers=people.staff)
            assert (answer.status_code, answer.json()[field]) == (200, value)
            read = await client.get(target.path, headers=people.staff)
            assert read.json()[field] == value


@pytest.mark.parametrize(("value", "shown"), [("-0", "0.00"), ("1.10", "1.10"), ('" 7 "', "7.00"), ("1e2", "100.00")])
async def test_odd_but_good_prices(
    client: httpx.AsyncClient, people: People, targets: dict[str, Target], value: str, shown: str
) -> None:
    headers = people.staff | {"Content-Type": "application/json"}
    for kind, field in (("products", "price"), ("store-products", "base_price")):
        answer = await client.patch(targets[kind].path, content=raw({}, field, value), headers=headers)
        assert (answer.status_code, answer.json()[field]) == (200, shown)


BODIES = {
    "deep 100": b"[" * 100 + b"]" * 100,
    "deep 5,000": b'{"name":' * 5_000 + b"1" + b"}" * 5_000,
    "deep 200,000": b"[" * 200_000 + b"]" * 200_000,
    "deep, in a field": b'{"name": "x", "geom": '
    + b"[" * 2_000
    + b"]" * 2_000
    + b', "variants": '
    + b"[" * 900
    + b"]" * 900
    + b"}",
    "many keys": b"{" + b",".join(b'"k%d":0' % n for n in range(400_000)) + b"}",
    "trailing data": b'{"name": "x"} {"name": "y"}',
    "byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "utf-16": '{"name": "x"}'.encode("utf-16"),
    "not utf-8": b'{"name": "\xff\xfe"}',
    "overlong": b'{"name": "\xc0\x80"}',
    "surrogate bytes": b'{"name": "\xed\xa0\x80"}',
    "raw control": b'{"name": "a\x00b"}',
    "number": b"5",
    "text": b'"x"',
    "null": b"null",
    "list": b"[{}]",
    "nothing": b"",
    "blank": b"   ",
    "broken": b'{"name": ',
    "single quotes": b"{'name': 'x'}",
    "comment": b'{"name": "x" /* */}',
    "msgpack": b"\x81\xa4name\xa1x",
}


@pytest.mark.parametrize("name", BODIES)
async def test_bodies_that_are_no_objects_of_ours(
    client: httpx.AsyncClient, db: AsyncSession, people: People, targets: dict[str, Target], name: str
) -> None:
    before = await stored(db)
    headers = people.staff | {"Content-Type": "application/json"}
    for kind, target in targets.items():
        for method, path in (("POST", f"/api/{kind}/"), ("PUT", target.path)):
            answer = await client.request(method, path, content=BODIES[name], headers=headers)
            assert answer.status_code == 400, (kind, method, answer.status_code, answer.text[:200])
    assert await stored(db) == before


@pytest.mark.parametrize(
    "media",
    ["text/plain", "application/msgpack", "application/xml", "application/x-msgpack", "", "x", "text/json;\x00"],
)
async def test_other_media_types(
    client: httpx.AsyncClient, db: AsyncSession, people: People, targets: dict[str, Target], media: str
) -> None:
    before = await stored(db)
    for kind, target in targets.items():
        for method, path in (("POST", f"/api/{kind}/"), ("PUT", target.path), ("PATCH", target.path)):
            content = json.dumps(target.body).encode()
            answer = await client.request(method, path, content=content, headers=people.staff | {"Content-Type": media})
            assert (answer.status_code, set(answer.json())) == (415, {"detail"})
    assert await stored(db) == before


async def test_of_duplicate_keys_the_last_counts(
    client: httpx.AsyncClient, people: People, targets: dict[str, Target]
) -> None:
    headers = people.staff | {"Content-Type": "application/json"}
    answer = await client.patch(targets["products"].path, content=b'{"price": 1, "price": 2}', headers=headers)
    assert (answer.status_code, answer.json()["price"]) == (200, "2.00")
    answer = await client.patch(targets["products"].path, content=b'{"price": 1, "price": "x"}', headers=headers)
    assert (answer.status_code, set(answer.json())) == (400, {"price"})


@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\na\x00b\r\n--b--\r\n', "b"),
        (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\xfe\r\n--b--\r\n', "b"),
        (b'--b\r\nContent-Disposition: form-data; name="stock"\r\n\r\n1_0\r\n--b--\r\n', "b"),
        (b'--b\r\nContent-Disposition: form-data; name="price"\r\n\r\nsNaN\r\n--b--\r\n', "b"),
        (b'--b\r\nContent-Disposition: form-data; name="variants"\r\n\r\n' + b"[" * 100_000 + b"\r\n--b--\r\n", "b"),
        (b'--b\r\nContent-Disposition: form-data; name="brand"\r\n\r\n' + b"x" * 2_000_000 + b"\r\n--b--\r\n", "b"),
        (b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nnever ended', "b"),
        (b"x", "b"),
        (b"x", ""),
        (b"x", "b" * 60_000),
        (b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nx\r\n' % n for n in range(1_001)), "b"),
    ],
)
async def test_hostile_multipart(
    client: httpx.AsyncClient,
    db: AsyncSession,
    people: People,
    targets: dict[str, Target],
    *,
    body: bytes,
    boundary: str,
) -> None:
    before = await stored(db)
    headers = people.staff | {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = await client.patch(targets["products"].path, content=body, headers=headers)
    assert answer.status_code in {400, 413}, (answer.status_code, answer.text[:200])
    assert await stored(db) == before


async def test_a_body_beyond_the_limit(client: httpx.AsyncClient, people: People, targets: dict[str, Target]) -> None:
    headers = people.staff | {"Content-Type": "application/json"}
    for kind in targets:
        content = b'{"name": "' + b"x" * (13 << 20) + b'"}'
        assert (await client.post(f"/api/{kind}/", content=content, headers=headers)).status_code == 413
