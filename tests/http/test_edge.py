"""What holds for every answer: ids, headers, methods, both slash forms, odd numbers, crashes."""

import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.edge import Edge, has_odd_number
from app.http.exchange import DEFAULT_POLICY
from app.logs import masked_query
from app.server import Relampago
from tests.http.conftest import client_of, offline

PATHS = ["/api/probe/anyone", "/api/nothing/", "/", "/api/probe/crash", "/api/probe/mine", "/api/probe/everything/+5/"]


@pytest.fixture(scope="module")
def app() -> Relampago:
    return offline()


async def ask(app: Relampago, method: str, path: str, **options: Any) -> httpx.Response:
    async with client_of(app) as http:
        return await http.request(method, path, **options)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
async def test_every_answer_has_an_id_and_the_security_headers(app: Relampago, method: str, path: str) -> None:
    answer = await ask(app, method, path)
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["content-security-policy"] == DEFAULT_POLICY.decode()
    assert "strict-transport-security" not in answer.headers
    names = [name for name, _ in answer.headers.raw]
    assert len(set(names)) == len(names)


async def test_production_answers_with_hsts(app: Relampago) -> None:
    production = offline(APP_ENV="production", SECRET_KEY="0123456789abcdef" * 3, CRONJOB_AUTH_KEY="k" * 40)
    for path in ("/livez", "/api/nothing/", "/api/probe/crash"):
        answer = await ask(production, "GET", path)
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("sent", ["abcdefgh", "A-b_c.1234567890", "x" * 128])
@pytest.mark.parametrize("path", ["/livez", "/api/nothing/", "/api/probe/crash"])
async def test_a_sane_id_is_kept(app: Relampago, path: str, sent: str) -> None:
    assert (await ask(app, "GET", path, headers={"X-Request-Id": sent})).headers["x-request-id"] == sent


@pytest.mark.parametrize(
    "sent",
    [b"short", b"x" * 129, b"with space", b"a\tb1234567", b'{"x": 1234567}', b"\xc3\xa9" * 8, b"<script>1234", b""],
)
async def test_a_hostile_id_is_replaced(app: Relampago, sent: bytes) -> None:
    answer = await ask(app, "GET", "/api/nothing/", headers=[(b"x-request-id", sent)])
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize("sent", [b"abc\r\nSet-Cookie: x=1", b"abcdefgh\x00", b"abcdefgh\n"])
async def test_an_id_cannot_split_the_answer(app: Relampago, sent: bytes) -> None:
    """A server refuses such a header before us; what stands behind it must not rely on that."""
    scope = {
        "type": "http", "method": "GET", "path": "/api/nothing/", "raw_path": b"/api/nothing/", "query_string": b"",
        "headers": [(b"x-request-id", sent), (b"host", b"testserver")], "scheme": "http",
    }  # fmt: skip
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive, send)
    values = [value for name, value in messages[0]["headers"] if name == b"x-request-id"]
    assert len(values) == 1
    assert re.fullmatch(b"[0-9a-f]{32}", values[0])


async def test_unknown_paths_and_odd_ids_are_404(app: Relampago) -> None:
    for path in ("/nothing", "/api/", "/api/probe/everything/abc/", "/api/probe/everything/1.5/", "/api/schema/x/"):
        answer = await ask(app, "PATCH", path, json={})
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."}), path


@pytest.mark.parametrize(
    "segment",
    ["1_0", "+5", "-5", "\u0663", "\uff15", "\u00b2", "9223372036854775808", "9" * 400, "5 ", " 5", "5\u2003"],
)
async def test_numbers_that_no_id_is_are_404(app: Relampago, segment: str) -> None:
    assert has_odd_number(f"/api/probe/everything/{segment}/")
    answer = await ask(app, "PATCH", f"/api/probe/everything/{segment}/", json={})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    "segment",
    ["1", "007", "999999999999999999", "abc", "a1", "x-2", "swagger-ui.css", "2024-01-02", "", "6f1c2b34-0000-4000"],
)
def test_plain_segments_are_not_odd(segment: str) -> None:
    assert not has_odd_number(f"/api/{segment}/")


@given(st.text(max_size=30))
def test_what_python_reads_as_a_number_is_plain_or_odd(segment: str) -> None:
    """No third kind reaches a route: a segment that `int` takes is a short row of ASCII digits, or refused."""
    try:
        int(segment)
    except ValueError:
        return
    plain = re.fullmatch("[0-9]{1,18}", segment) is not None
    assert has_odd_number(f"/api/{segment}/") is not plain


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "GET"])
async def test_a_wrong_method_is_405_with_the_right_ones(app: Relampago, method: str) -> None:
    answer = await ask(app, method, "/api/probe/everything")
    assert (answer.status_code, answer.json()) == (405, {"detail": f'Method "{method}" not allowed.'})
    assert answer.headers["allow"] == "OPTIONS, POST"
    answer = await ask(app, "POST", "/api/probe/anyone")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "X" * 300])
async def test_unheard_of_methods_are_405(app: Relampago, method: str) -> None:
    answer = await ask(app, method, "/api/probe/anyone")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "path", ["/api/probe/anyone", "/api/probe/anyone/", "http://testserver//api/probe//anyone", "/api//probe/anyone//"]
)
async def test_both_slash_forms_are_served_without_a_redirect(app: Relampago, path: str) -> None:
    answer = await ask(app, "GET", path)
    assert (answer.status_code, answer.json()) == (200, {"id": None})


async def test_head_is_get_without_a_body(app: Relampago) -> None:
    for path in ("/livez", "/api/nothing/", "/api/docs/", "/api/probe/crash"):
        got, head = await ask(app, "GET", path), await ask(app, "HEAD", path)
        assert head.status_code == got.status_code
        assert head.content == b""
        for name in ("content-length", "content-type", "content-security-policy"):
            assert head.headers.get(name) == got.headers.get(name)
    assert (await ask(app, "HEAD", "/api/probe/everything")).status_code == 405


async def test_the_servers_own_scope_stays_as_it_is() -> None:
    """Servers look into it at the end of the answer, to know whether a body has to follow."""
    seen = []

    async def inner(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok", "more_body": False})

    async def nothing(*_arguments: Any) -> Any:
        return None

    scope = {"type": "http", "method": "HEAD", "path": "/livez", "query_string": b"", "headers": []}
    await Edge(inner, production=False)(scope, nothing, nothing)
    assert seen == ["GET"]
    assert scope["method"] == "HEAD"


async def test_options_describes_the_resource(app: Relampago) -> None:
    answer = await ask(app, "OPTIONS", "/api/probe/mine-basic/")
    assert answer.status_code == 200
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.json() == {
        "name": "Mine Basic",
        "description": "",
        "renders": ["application/json"],
        "parses": ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
    }
    assert (await ask(app, "OPTIONS", "/api/nothing/")).status_code == 404


@pytest.mark.parametrize("path", ["/api/stores/1/", "/api/auth/me/", "/admin/promos/", "/api/products/"])
async def test_options_names_every_method_of_its_path(app: Relampago, path: str) -> None:
    """Those of all handlers, whoever of them was registered first: the same that a wrong method is told."""
    named, refused = await ask(app, "OPTIONS", path), await ask(app, "TRACE", path)
    assert named.status_code == 200
    assert named.headers["allow"] == refused.headers["allow"]
    if path == "/api/stores/1/":
        assert named.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


async def test_a_crash_tells_nothing_but_its_id(app: Relampago) -> None:
    answer = await ask(app, "GET", "/api/probe/crash", headers={"X-Request-Id": "crash-12345"})
    assert (answer.status_code, answer.json()) == (500, {"detail": "A server error occurred."})
    assert answer.headers["x-request-id"] == "crash-12345"


async def test_a_crash_below_the_application_is_answered_too() -> None:
    sent: list[Any] = []

    async def inner(*_arguments: Any) -> None:
        raise RuntimeError

    async def send(*message: Any) -> Any:
        sent.extend(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": []}
    await Edge(inner, production=False)(scope, send, send)
    assert [message.get("status", message.get("body")) for message in sent] == [
        500,
        b'{"detail":"A server error occurred."}',
    ]


async def test_answers_to_credentials_are_not_kept(app: Relampago) -> None:
    assert (await ask(app, "GET", "/livez", headers={"Authorization": "x"})).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await ask(app, "GET", "/livez")).headers


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ""),
        ("page=2&search=a%20b", "page=2&search=a%20b"),
        ("api_key=abc", "api_key=***"),
        ("API_KEY=abc&x=1", "API_KEY=***&x=1"),
        ("api%5Fkey=abc", "api%5Fkey=***"),
        ("%61uth_key=abc&%74oken=1", "%61uth_key=***&%74oken=***"),
        ("refresh_token=a&password=b&client_secret=c", "refresh_token=***&password=***&client_secret=***"),
        ("token", "token=***"),
        ("verification_code=123456", "verification_code=***"),
    ],
)
def test_secrets_in_the_query_are_masked(query: str, shown: str) -> None:
    assert masked_query(query) == shown
