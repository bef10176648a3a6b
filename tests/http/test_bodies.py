"""Bodies: JSON, forms and multipart, read alike; what cannot be read is a 4xx in the contract's form."""

import json
from typing import Any

import httpx
import pytest

from app.http.body import Input, build
from app.server import MAX_BODY_BYTES, Relampago
from tests.http.conftest import client_of, offline

URL = "/api/probe/everything"
GOOD = {"name": "Maceta", "price": "10.50"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def app() -> Relampago:
    return offline()


async def send(app: Relampago, content: bytes, content_type: str | None = "application/json") -> httpx.Response:
    headers = {"Content-Type": content_type} if content_type else {}
    async with client_of(app) as http:
        return await http.post(URL, content=content, headers=headers)


def given(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, str] = answer.json()["given"]
    return found


async def test_every_wrong_field_is_named_at_once(app: Relampago) -> None:
    body = {
        "price": "NaN", "email": "x", "percent": 101, "count": -1, "owner": 0, "note": "a\x00b", "kind": "other",
        "flag": "maybe", "token": "1", "at": "yesterday", "day": "2024-02-30", "hour": "25:00",
        "place": {"lat": 91, "lon": 0}, "tags": ["a", "", 5, None], "lines": [{"product": 1}, {"quantity": 0}, 7],
        "data": {"a": "\x00"}, "more": 1,
    }  # fmt: skip
    answer = await send(app, json.dumps(body).encode())
    assert answer.status_code == 400
    assert answer.json() == {
        "name": ["This field is required."],
        "price": ["A valid number is required."],
        "email": ["Enter a valid email address."],
        "percent": ["Ensure this value is less than or equal to 100."],
        "count": ["Ensure this value is greater than or equal to 0."],
        "owner": ["Ensure this value is greater than or equal to 1."],
        "note": ["Null characters are not allowed."],
        "kind": ['"other" is not a valid choice.'],
        "flag": ["Must be a valid boolean."],
        "token": ["Must be a valid UUID."],
        "at": answer.json()["at"],
        "day": ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."],
        "hour": ["Time has wrong format. Use one of these formats instead: hh:mm[:ss[.uuuuuu]]."],
        "place": ["Longitude is from -180 to 180, latitude from -90 to 90, and GeoJSON has the longitude first."],
        "tags": ["Ensure this field has no more than 3 elements."],
        "lines": {
            "1": {
                "product": ["This field is required."],
                "quantity": ["Ensure this value is greater than or equal to 1."],
            },
            "2": {"non_field_errors": ["Invalid data. Expected a dictionary, but got int."]},
        },
        "data": ["Null characters are not allowed."],
    }
    assert answer.json()["at"][0].startswith("Datetime has wrong format.")


async def test_items_of_a_list_are_named_by_their_place(app: Relampago) -> None:
    answer = await send(app, json.dumps({**GOOD, "tags": ["a", "", None]}).encode())
    assert answer.json() == {"tags": {"1": ["This field may not be blank."], "2": ["Not a valid string."]}}


async def test_null_where_it_may_not_be(app: Relampago) -> None:
    answer = await send(app, json.dumps({"name": None, "price": None, "email": None, "owner": None}).encode())
    assert answer.json() == {"name": ["This field may not be null."], "price": ["This field may not be null."]}


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"{}x", b"{} {}", b"{'a': 1}", b'{"a": NaN}', b"[1", b"nul", b"\xff\xfe", b"\xef\xbb\xbf{}",
        '{"name": "a"}'.encode("utf-16"), '{"name": "a"}'.encode("utf-32"), b'{"name": "\xff"}',
        b'{"name": "\xc0\xaf"}', b'{"name": "\\ud800"}',
        b"[" * 200_000, b"[" * 5000 + b"]" * 5000, b'{"a":' * 200_000,
        b'{"price": ' + b"9" * 5000 + b"}", b"\x00", b'{"name": "a\nb"}',
    ],
    ids=range(20),
)  # fmt: skip
async def test_malformed_json_is_400(app: Relampago, content: bytes) -> None:
    answer = await send(app, content)
    assert answer.status_code == 400
    assert list(answer.json()) == ["detail"]
    assert answer.json()["detail"].startswith("JSON parse error - ")


@pytest.mark.parametrize(
    ("number", "messages"),
    [
        ("1e-400", "Ensure that there are no more than 10 digits in total."),
        ("0.00000000000000000001", "Ensure that there are no more than 10 digits in total."),
        ("0.001", "Ensure that there are no more than 2 decimal places."),
        ("10.000000000000000000000000000000001", "Ensure that there are no more than 10 digits in total."),
        ("1e400", "Ensure that there are no more than 10 digits in total."),
        ("1E+1000000", "Ensure that there are no more than 10 digits in total."),
        ("1e-1000000", "Ensure that there are no more than 10 digits in total."),
        ("123456789.5", "Ensure that there are no more than 8 digits before the decimal point."),
        ("-0.01", "Ensure this value is greater than or equal to 0."),
    ],
)
async def test_a_number_is_read_as_it_is_written(app: Relampago, number: str, messages: str) -> None:
    answer = await send(app, b'{"name": "a", "price": %s}' % number.encode())
    assert (answer.status_code, answer.json()) == (400, {"price": [messages]})


@pytest.mark.parametrize(
    ("number", "stored"),
    [("19.99", "19.99"), ("0.10", "0.10"), ("1e2", "100.00"), ("1.5E1", "15.00"), ("7", "7.00")],
)
async def test_numbers_that_fit_are_exact(app: Relampago, number: str, stored: str) -> None:
    answer = await send(app, b'{"name": "a", "price": %s}' % number.encode())
    assert given(answer)["price"] == f"Decimal('{stored}')"


async def test_numbers_within_json_are_those_that_jsonb_gives_back(app: Relampago) -> None:
    answer = await send(app, b'{"name": "a", "price": 1, "data": {"x": [1.5, 2, {"y": 0.1}]}}')
    assert given(answer)["data"] == "{'x': [1.5, 2, {'y': 0.1}]}"
    for number in (b"1e400", b"[1e-400]", b'{"x": -1e999999}'):
        answer = await send(app, b'{"name": "a", "price": 1, "data": %s}' % number)
        assert (answer.status_code, answer.json()) == (400, {"data": ["A valid number is required."]})


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"[]", "list"), (b'"x"', "str"), (b"7", "int"), (b"null", "NoneType"), (b"true", "bool"), (b"1.5", "float")],
)
async def test_a_body_that_is_no_object_is_400(app: Relampago, content: bytes, kind: str) -> None:
    answer = await send(app, content)
    message = f"Invalid data. Expected a dictionary, but got {kind}."
    assert (answer.status_code, answer.json()) == (400, {"non_field_errors": [message]})


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain", "application/x-msgpack", "nonsense"])
async def test_an_empty_body_is_an_empty_object(app: Relampago, content_type: str | None) -> None:
    answer = await send(app, b"", content_type)
    expected = {"name": ["This field is required."], "price": ["This field is required."]}
    assert (answer.status_code, answer.json()) == (400, expected)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-msgpack", "application/xml", "", "json", "application/jsonp", "text/json"],
)
async def test_another_content_type_is_415(app: Relampago, content_type: str) -> None:
    answer = await send(app, b'{"name": "a", "price": 1}', content_type)
    assert (answer.status_code, answer.json()) == (
        415,
        {"detail": f'Unsupported media type "{content_type}" in request.'},
    )


async def test_no_content_type_is_415(app: Relampago) -> None:
    assert (await send(app, b'{"name": "a", "price": 1}', None)).status_code == 415


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"]
)
async def test_json_by_its_other_names(app: Relampago, content_type: str) -> None:
    assert given(await send(app, json.dumps(GOOD).encode(), content_type))["name"] == "'Maceta'"


async def test_of_a_key_that_comes_twice_the_last_counts(app: Relampago) -> None:
    assert given(await send(app, b'{"name": "a", "price": 1, "name": "b"}'))["name"] == "'b'"


async def test_a_million_keys_are_read_and_ignored(app: Relampago) -> None:
    many = b",".join(b'"%x":0' % number for number in range(1_000_000))
    answer = await send(app, b'{"name": "a", "price": 1, %s}' % many)
    assert answer.status_code in {201, 413}
    assert (await send(app, b"{%s}" % many[: MAX_BODY_BYTES // 2].rpartition(b",")[0])).status_code == 400


async def test_a_body_beyond_the_limit_is_413(app: Relampago) -> None:
    answer = await send(app, b'"' + b"x" * MAX_BODY_BYTES + b'"')
    assert (answer.status_code, answer.json()) == (413, {"detail": "The request body is too large."})


async def test_a_body_beyond_the_limit_without_a_length_is_413(app: Relampago) -> None:
    async def chunks() -> Any:
        for _ in range(MAX_BODY_BYTES // 65_536 + 2):
            yield b"x" * 65_536

    async with client_of(app) as http:
        answer = await http.post(URL, content=chunks(), headers=JSON)
    assert answer.status_code == 413


async def test_unknown_fields_are_ignored_and_defaults_filled_in(app: Relampago) -> None:
    found = given(await send(app, json.dumps({**GOOD, "id": 7, "is_staff": True}).encode()))
    assert found["price"] == "Decimal('10.50')"
    assert (found["kind"], found["count"], found["email"], found["lines"]) == ("'new'", "0", "None", "[]")
    assert not {"id", "is_staff", "secret"} & set(found)


async def test_put_wants_the_required_and_leaves_the_rest(app: Relampago) -> None:
    async with client_of(app) as http:
        missing = await http.put(f"{URL}/1/", json={"name": "a"})
        whole = await http.put(f"{URL}/1/", json={**GOOD, "email": None})
    assert (missing.status_code, missing.json()) == (400, {"price": ["This field is required."]})
    assert given(whole) == {"name": "'Maceta'", "price": "Decimal('10.50')", "email": "None"}


async def test_patch_wants_nothing(app: Relampago) -> None:
    async with client_of(app) as http:
        assert given(await http.patch(f"{URL}/1/", json={})) == {}
        assert given(await http.patch(f"{URL}/1/")) == {}
        assert given(await http.patch(f"{URL}/1/", json={"count": 5})) == {"count": "5"}
        wrong = await http.patch(f"{URL}/1/", json={"name": ""})
    assert (wrong.status_code, wrong.json()) == (400, {"name": ["This field may not be blank."]})


async def test_a_form_says_the_same_as_json(app: Relampago) -> None:
    fields = {
        "name": "Maceta", "price": "10.50", "count": "3", "flag": "true", "owner": "", "at": "2026-01-02T03:04:05Z",
        "place": '{"lat": -34.6, "lon": -58.4}', "tags": ["a", "b"], "lines": '[{"product": 1}]', "data": '{"x": [1]}',
    }  # fmt: skip
    async with client_of(app) as http:
        urlencoded = await http.post(URL, data=fields)
        multipart = await http.post(URL, data=fields, files={"ignored": ("x.txt", b"x")})
    assert given(urlencoded) == given(multipart)
    assert given(urlencoded)["tags"] == "['a', 'b']"
    assert given(urlencoded)["lines"] == "[Line(product=1, quantity=1)]"
    assert given(urlencoded)["place"] == "GeoPoint(lat=-34.6, lon=-58.4)"
    assert (given(urlencoded)["owner"], given(urlencoded)["data"]) == ("None", "{'x': [1]}")


async def test_a_files_place_takes_a_file_alone(app: Relampago) -> None:
    async with client_of(app) as http:
        good = await http.post("/api/probe/pictures", data={"title": "a"}, files={"image": ("x.png", b"1234")})
        text = await http.post("/api/probe/pictures", data={"title": "a", "image": "1234"})
        none = await http.post("/api/probe/pictures", json={"title": "a", "image": None})
        file = await http.post("/api/probe/pictures", files={"title": ("x.png", b"1234")})
    assert good.json() == {"title": "a", "size": 4}
    message = "The submitted data was not a file. Check the encoding type on the form."
    assert (text.status_code, text.json()) == (400, {"image": [message]})
    assert none.json() == {"title": "a", "size": None}
    assert (file.status_code, file.json()) == (400, {"title": ["Not a valid string."]})


def part(headers: bytes, body: bytes = b"x") -> bytes:
    return b"--b\r\n" + headers + b"\r\n\r\n" + body + b"\r\n"


NAMED = b'Content-Disposition: form-data; name="a"'
# Were it read, each of these bodies would be a good one.
END = part(NAMED.replace(b'"a"', b'"name"')) + part(NAMED.replace(b'"a"', b'"price"'), b"1") + b"--b--\r\n"


@pytest.mark.parametrize(
    ("content", "boundary"),
    [
        (part(NAMED) * 1001 + END, "b"),
        (part(NAMED + b"\r\nX: " + b"y" * (1 << 20)) + END, "b"),
        (part(NAMED + b"".join(b"\r\nX%d: y" % number for number in range(100))) + END, "b"),
        (part(NAMED) + END, ""),
        (part(NAMED) + END, "b" * 60_000),
        (part(NAMED) + END, "other"),
        (part(NAMED), "b"),
        (part(b"X: y") + END, "b"),
        (part(NAMED, b"\xff\xfe") + END, "b"),
        (b"x" * (10 << 20), "b"),
        (b"nonsense", "b"),
        (part(b"Content-Disposition: form-data; name=" + b'"a' * 5000) + END, "b"),
    ],
    ids=[
        "parts",
        "header",
        "headers",
        "none",
        "long",
        "other",
        "cut",
        "nameless",
        "bytes",
        "preamble",
        "text",
        "quotes",
    ],
)
async def test_hostile_multipart_is_refused(app: Relampago, content: bytes, boundary: str) -> None:
    answer = await send(app, content, f"multipart/form-data; boundary={boundary}")
    assert answer.status_code in {400, 413}
    assert list(answer.json()) == ["detail"]


async def test_a_multipart_body_without_tricks_is_read(app: Relampago) -> None:
    assert given(await send(app, part(NAMED) * 100 + END, "multipart/form-data; boundary=b"))["name"] == "'x'"


@pytest.mark.parametrize("content", [b"\xff", b"a=1&" * 5000, b"name=%ff&price=1", b"name=%00&price=1"])
async def test_hostile_forms_are_refused_or_cleaned(app: Relampago, content: bytes) -> None:
    answer = await send(app, content, "application/x-www-form-urlencoded")
    assert answer.status_code in {400, 201}
    if answer.status_code == 201:
        assert given(answer)["name"] == "'\ufffd'"


class Torn(Input):
    either: int | str


def test_a_field_has_one_type() -> None:
    with pytest.raises(TypeError, match="a request field has one type"):
        build(Torn, {})
