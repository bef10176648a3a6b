"""Origins match exactly or not at all."""

from typing import Any

import httpx
import pytest

from app.http.admission import Lane
from app.server import Relampago
from tests.http.conftest import client_of, offline

GOOD = "https://shop.example.com"
EVIL = [
    "https://shopXexample.com",
    "https://shop.example.com.evil.net",
    "https://evil.net/https://shop.example.com",
    "https://evilshop.example.com",
    "http://shop.example.com",
    "https://shop.example.com:8443",
    "https://shop.example.co",
    "https://SHOP.example.com.",
    "null",
    "https://shop.example.com\\@evil.net",
    ".*",
]


@pytest.fixture(scope="module")
def app() -> Relampago:
    return offline(CORS_ALLOWED_ORIGINS=f"{GOOD},https://admin.example.com")


async def preflight(app: Relampago, origin: str, path: str = "/api/probe/everything") -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with client_of(app) as http:
        return await http.options(path, headers=headers)


async def test_a_listed_origin_may(app: Relampago) -> None:
    answer = await preflight(app, GOOD)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == GOOD
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("origin", EVIL)
async def test_a_lookalike_may_not(app: Relampago, origin: str) -> None:
    answer = await preflight(app, origin)
    assert answer.status_code == 200
    assert answer.json()["renders"] == ["application/json"]
    assert "POST" in answer.headers["allow"]
    for method, path in (("GET", "/livez"), ("GET", "/api/nothing/"), ("OPTIONS", "/livez")):
        async with client_of(app) as http:
            other = await http.request(method, path, headers={"Origin": origin})
        assert other.headers["content-type"].startswith("application/json")
        assert not [name for name in (*answer.headers, *other.headers) if name.startswith("access-control-")]
        assert other.headers["vary"] == "Origin"


@pytest.mark.parametrize("path", ["/livez", "/api/nothing/", "/api/probe/crash", "/api/probe/everything/+5/"])
async def test_a_listed_origin_reads_every_answer(app: Relampago, path: str) -> None:
    async with client_of(app) as http:
        answer = await http.get(path, headers={"Origin": GOOD})
    assert answer.headers["access-control-allow-origin"] == GOOD
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
    assert "Origin" in answer.headers["vary"]


async def test_without_origins_nobody_may() -> None:
    production = offline(APP_ENV="production", SECRET_KEY="0123456789abcdef" * 3, CRONJOB_AUTH_KEY="k" * 40)
    assert "access-control-allow-origin" not in (await preflight(production, GOOD)).headers


async def test_a_star_lets_everybody_in_without_credentials() -> None:
    answer = await preflight(offline(CORS_ALLOWED_ORIGINS="*"), "https://anything.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(("origin", "allowed"), [(GOOD, GOOD), (EVIL[0], None), (None, None)])
async def test_what_the_framework_does_not_answer_names_origins_too(
    app: Relampago, monkeypatch: pytest.MonkeyPatch, origin: str | None, allowed: str | None
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError

    headers = {} if origin is None else {"Origin": origin}
    answers = []
    async with client_of(app) as http:
        monkeypatch.setattr(app.edge.admission, "views", Lane(0, patience=0.0))
        answers.append(await http.get("/api/categories/", headers=headers))
        monkeypatch.setattr(app.edge, "inner", crash)
        answers.append(await http.get("/livez", headers=headers))
    assert [answer.status_code for answer in answers] == [503, 500]
    for answer in answers:
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert ("access-control-expose-headers" in answer.headers) is (allowed is not None)
        assert answer.headers["vary"] == "Origin"
