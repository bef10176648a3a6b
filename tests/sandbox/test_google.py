"""Google's token endpoint as Google gives it."""

import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.google import TIMEFRAME
from sandbox.server import Sandbox
from tests.sandbox.assertions import FORM, assertion_of

NOW = int(time.time())


async def ask(web: httpx.AsyncClient, assertion: str) -> httpx.Response:
    return await web.post("/google/token", data=FORM | {"assertion": assertion})


async def test_a_token(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await ask(web, assertion_of(sandbox.world.account))
    assert answer.status_code == 200
    content = answer.json()
    assert list(content) == ["access_token", "expires_in", "token_type"]
    assert content["access_token"].startswith("ya29.c.")
    assert (content["expires_in"], content["token_type"]) == (3599, "Bearer")


@pytest.mark.parametrize("audience", ["google", "own", "account"])
async def test_audiences(web: httpx.AsyncClient, sandbox: Sandbox, audience: str) -> None:
    account = sandbox.world.account
    urls = {
        "google": "https://oauth2.googleapis.com/token",
        "own": f"{sandbox.url}/google/token",
        "account": account["token_uri"],
    }
    assert (await ask(web, assertion_of(account, aud=urls[audience]))).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error", "description"),
    [
        ({"iss": "nobody@shop.test"}, "invalid_grant", "Invalid grant: account not found"),
        ({"exp": NOW + 3700, "iat": NOW}, "invalid_grant", TIMEFRAME),
        ({"exp": NOW - 10, "iat": NOW - 3000}, "invalid_grant", TIMEFRAME),
        ({"iat": NOW + 4000, "exp": NOW + 5000}, "invalid_grant", TIMEFRAME),
        ({"iat": None, "exp": None}, "invalid_grant", TIMEFRAME),
        (
            {"aud": "https://example.com/token"},
            "invalid_grant",
            "Invalid JWT: Failed audience check. The right audience is https://oauth2.googleapis.com/token",
        ),
        ({"scope": "pushes"}, "invalid_scope", "Invalid OAuth scope or ID token audience provided."),
        ({"scope": ""}, "invalid_scope", "Invalid OAuth scope or ID token audience provided."),
    ],
)
async def test_refusals(
    web: httpx.AsyncClient, sandbox: Sandbox, changes: dict[str, Any], error: str, description: str
) -> None:
    answer = await ask(web, assertion_of(sandbox.world.account, **changes))
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}
    assert sandbox.world.access_tokens == {}


async def test_signatures(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    account = sandbox.world.account
    good = assertion_of(account)
    claims = jwt.decode(good, options={"verify_signature": False})
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = [
        jwt.encode(claims, stranger, algorithm="RS256"),
        jwt.encode(claims, "s" * 32, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),  # type: ignore[arg-type]
        good[:-4] + "AAAA",
        "not.a.token",
        "",
    ]
    for assertion in forged:
        answer = await ask(web, assertion)
        assert answer.status_code == 400
        assert answer.json() == {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}


async def test_another_grant(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await web.post("/google/token", data={"grant_type": "password", "assertion": "x"})
    assert answer.status_code == 400
    assert answer.json() == {"error": "unsupported_grant_type", "error_description": "Invalid grant_type: password"}
