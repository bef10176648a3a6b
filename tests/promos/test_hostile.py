"""Hostile bodies against every operation that writes: a 4xx in the contract's form, and nothing has changed."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.promos.market import HOUR, Market, now
from tests.promos.test_create import tomorrow


class Target(NamedTuple):
    """An operation with a body that it would take, and the caller's headers."""

    method: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]


class Stage(NamedTuple):
    market: Market
    targets: dict[str, Target]

    async def send(self, name: str, content: bytes, content_type: str = "application/json") -> httpx.Response:
        method, path, _, headers = self.targets[name]
        sent = [(b"authorization", headers["Authorization"].encode()), (b"content-type", content_type.encode())]
        return await self.market.client.request(method, path, content=content, headers=sent)

    async def refuses(self, name: str, content: bytes, content_type: str = "application/json") -> httpx.Response:
        answer = await self.send(name, content, content_type)
        shown = f"{name} {content_type} {content[:200]!r}: {answer.status_code} {answer.text[:300]}"
        assert 400 <= answer.status_code < 500, shown
        assert answer.headers["content-type"] == "application/json", shown
        body = answer.json()
        assert isinstance(body, dict), shown
        assert body, shown
        assert len(answer.content) < 10_000, shown
        return answer


@pytest.fixture
async def stage(market: Market) -> AsyncIterator[Stage]:
    """Nothing that these tests send may change anything."""
    item, buyer = await market.item(), await market.buyer()
    staff, headers = await market.staff(), market.headers(buyer)
    token = await market.hold(buyer, await market.promo(item))
    promo = await market.promo(item, per_user_limit=3)
    planned = await market.promo(item, starts_at=now() + HOUR, ends_at=now() + 2 * HOUR)
    whole = tomorrow(item.id, promo_price="700.00", max_units=2, per_user_limit=1, radius_m=2000, segments=["new"])
    targets = {
        "create": Target("POST", "/admin/promos/", whole, staff),
        "change": Target("PATCH", f"/admin/promos/{planned}/", whole, staff),
        "reserve": Target("POST", "/cart/reserve", {"promo_id": promo, "quantity": 1}, headers),
        "checkout": Target("PUT", "/cart/checkout", {"token": token, "payment_method": "cash"}, headers),
        "cancel": Target("PUT", "/cart/cancel", {"token": token}, headers),
    }
    before = await market.stored()
    yield Stage(market, targets)
    assert await market.stored() == before


NAMES = ["create", "change", "reserve", "checkout", "cancel"]
NUMBERS: list[bytes] = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"1E+1000000", b"-1", b"-1e3", b"0.001", b"00", b"+1"),
    *(b"9" * 30, b"-" + b"9" * 30, b"9" * 5000, b"0x10", b"1_0", b"true", b"false", b"[]", b"{}", b"[1]", b'{"a":1}'),
    *(b'"NaN"', b'"sNaN"', b'"-sNaN123"', b'"Infinity"', b'"-Inf"', b'"1e400"', b'"1E+1000000"', b'"1_0"', b'"0x10"'),
    *(
        '"\u0661"'.encode(),
        '"\uff11"'.encode(),
        '"\u00b2"'.encode(),
        b'"1 0"',
        b'"1\\u0000"',
        b'"\\ud800"',
        b'"' + b"9" * 100_000 + b'"',
    ),
    *(str(2**63).encode(), str(2**64).encode(), str(-(2**63) - 1).encode(), b'"1,0"', b'"--1"', b'"+"', b'"."', b'" "'),
]
WHOLE_NUMBERS: list[bytes] = [b"0", b"-0", b"1.5", b'"1.5"', str(2**31).encode(), b'"0"', b'""']
NUMERIC = {
    "create": ["store_product", "promo_price", "max_units", "per_user_limit", "radius_m"],
    "change": ["store_product", "promo_price", "max_units", "per_user_limit", "radius_m"],
    "reserve": ["promo_id", "quantity"],
}


def with_raw(body: dict[str, Any], field: str, raw: bytes) -> bytes:
    """The body's JSON with a field's value as these very bytes."""
    mark = "8f0e3c-here"
    return json.dumps(body | {field: mark}).encode().replace(f'"{mark}"'.encode(), raw)


@pytest.mark.parametrize("name", list(NUMERIC))
async def test_numbers(stage: Stage, name: str) -> None:
    for field in NUMERIC[name]:
        for raw in NUMBERS + ([] if field == "promo_price" else WHOLE_NUMBERS):
            await stage.refuses(name, with_raw(stage.targets[name].body, field, raw))


@pytest.mark.parametrize("name", ["create", "change"])
async def test_percentages(stage: Stage, name: str) -> None:
    body = {key: value for key, value in stage.targets[name].body.items() if key != "promo_price"}
    for raw in [*NUMBERS, b"100.01", b"-0.01", b"101", b'"5.001"', b"1000"]:
        await stage.refuses(name, with_raw(body, "discount_percent", raw))


TEXTS: list[bytes] = [
    *(b'"\\u0000"', b'"a\\u0000b"', b'"\\ud800"', b'"\\udfff\\ud800"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xff\xfe"'),
    *('"\u202eevil"'.encode(), '"\u200b"'.encode(), b'"\\r\\nSet-Cookie: a=b"', b'"{{7*7}}"', b'"%00"', b'"${jndi:x}"'),
    *(
        b'"' + b"a" * 1_000_000 + b'"',
        b'"\' OR 1=1 --"',
        b'"<script>"',
        b"null",
        b"5",
        b"[[]]",
        b'{"$ne": ""}',
        b'"\x00"',
    ),
]
TEXTUAL = {
    "create": ["starts_at", "ends_at", "segments"],
    "change": ["starts_at", "ends_at", "segments"],
    "checkout": ["token", "payment_method"],
    "cancel": ["token"],
}


@pytest.mark.parametrize("name", list(TEXTUAL))
async def test_texts(stage: Stage, name: str) -> None:
    for field in TEXTUAL[name]:
        for raw in TEXTS:
            await stage.refuses(name, with_raw(stage.targets[name].body, field, raw))
            if field == "segments":
                await stage.refuses(name, with_raw(stage.targets[name].body, field, b"[" + raw + b"]"))


def documents(body: dict[str, Any]) -> Iterator[bytes]:
    """Bodies that are no JSON object, or not in UTF-8, or not one alone."""
    good = json.dumps(body)
    for depth in (100, 5_000, 200_000):
        yield b"[" * depth
        yield b"[" * depth + b"]" * depth
        yield b'{"a":' * depth + b"1" + b"}" * (depth - 1)
    yield from (
        b"[]",
        b"5",
        b'"text"',
        b"true",
        b"null",
        b"[{}]",
        b"1e400",
        b"{",
        b"}",
        b'{"a"',
        b"{'a': 1}",
        b"{a: 1}",
    )
    yield from (good.encode() + b"x", good.encode() + good.encode(), good.encode() + b",", b"\x00" + good.encode())
    yield from ("\ufeff".encode() + good.encode(), good.encode("utf-16"), good.encode("utf-32"), good.encode()[:-1])
    yield from (b"\xff\xfe", b"\x1f\x8b\x08", b"\x80", b"-", b"\xc0\x80", b'{"\xff": 1}', b"//", b"{}{}", b"NaN")


@pytest.mark.parametrize("name", NAMES)
async def test_documents(stage: Stage, name: str) -> None:
    for content in documents(stage.targets[name].body):
        answer = await stage.refuses(name, content)
        assert answer.status_code == 400


@pytest.mark.parametrize("name", ["create", "reserve", "checkout", "cancel"])
async def test_empty_documents_lack_their_fields(stage: Stage, name: str) -> None:
    for content in (b"", b" ", b"{}", b"\n{ }\t"):
        answer = await stage.refuses(name, content)
        assert "This field is required." in answer.text


@pytest.mark.parametrize("name", NAMES)
async def test_media_types(stage: Stage, name: str) -> None:
    good = json.dumps(stage.targets[name].body).encode()
    for media in (
        *("text/plain", "application/msgpack", "application/xml", "application/octet-stream", "image/png", "x", "*/*"),
        *("application/jsonx", "json", "application/x-json", "text/json", "\u00e9", ";", "a" * 5000),
    ):
        answer = await stage.refuses(name, good, media)
        assert answer.status_code == 415, media
    for media in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'b' * 60_000}",
    ):
        assert (await stage.refuses(name, good, media)).status_code == 400
    if name != "change":
        await stage.refuses(name, b"--b\r\n\r\n", "multipart/form-data; boundary=b")
        await stage.refuses(name, b"&".join(b"a%d=1" % n for n in range(1001)), "application/x-www-form-urlencoded")
        await stage.refuses(name, b"token=%00&promo_id=%FF&quantity=%ED%A0%80", "application/x-www-form-urlencoded")


async def test_a_million_keys(stage: Stage) -> None:
    content = b"{" + b",".join(b'"k%d":1' % n for n in range(900_000)) + b"}"
    assert len(content) < 12 << 20
    answer = await stage.refuses("reserve", content)
    assert answer.json() == {"detail": "This field is required.", "promo_id": ["This field is required."]}


async def test_more_than_the_body_may_be(stage: Stage) -> None:
    for name in NAMES:
        answer = await stage.refuses(name, b" " * ((12 << 20) + 1))
        assert answer.status_code == 413


async def test_of_a_key_that_comes_twice_one_value_counts(stage: Stage) -> None:
    token = stage.targets["cancel"].body["token"]
    answer = await stage.send("cancel", f'{{"token": "{token}", "token": "x"}}'.encode())
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "query", ["?page=%00", "?x=%FF", "?page=1e18&page_size=%ED%A0%80", "?" + "a=1&" * 2000, "?=&&="]
)
async def test_queries_that_mean_nothing_are_ignored(stage: Stage, query: str) -> None:
    headers = stage.targets["reserve"].headers
    assert (await stage.market.client.get("/promos/active" + query, headers=headers)).status_code == 200
    one = stage.targets["change"]
    assert (await stage.market.client.get(one.path + query, headers=one.headers)).status_code == 200


async def test_texts_in_headers(stage: Stage) -> None:
    path, headers = "/promos/active", stage.targets["reserve"].headers
    for name in (
        "X-Request-Id",
        "User-Agent",
        "Accept",
        "Accept-Language",
        "X-Forwarded-For",
        "X-HTTP-Method-Override",
    ):
        for value in ("\u00e9", "DELETE", "' OR 1=1 --", "a" * 5000, "\x1b[31m", "text/html"):
            sent = [(key.encode(), text.encode("latin-1")) for key, text in (headers | {name: value}).items()]
            answer = await stage.market.client.get(path, headers=sent)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/json"
