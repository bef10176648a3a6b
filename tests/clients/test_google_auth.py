"""The access token: fetched once, renewed in time, and what stands in the way of getting one."""

import asyncio
import os
from pathlib import Path

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.clients.errors import NotConfigured, NotPermitted, ProviderError, Unavailable
from app.clients.google_auth import FCM_SCOPE, TRIES, GoogleAuth
from sandbox.account import public_key
from sandbox.faults import Fault
from sandbox.server import Sandbox


def fetches(sandbox: Sandbox) -> int:
    return sum(arrival.provider == "google" for arrival in sandbox.world.ledger.requests)


def copy_of(sandbox: Sandbox, path: Path, **changes: str) -> str:
    path.write_bytes(msgspec.json.encode(sandbox.world.account | changes))
    return str(path)


async def test_the_assertion_is_the_one_that_google_asks_for(auth: GoogleAuth, sandbox: Sandbox) -> None:
    token = await auth.token()
    assert token in sandbox.world.access_tokens
    arrival = sandbox.world.ledger.requests[-1]
    assert dict(arrival.headers)["content-type"] == "application/x-www-form-urlencoded"
    grant, assertion = arrival.body.decode().split("&assertion=")
    assert grant == "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    account = sandbox.world.account
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": account["private_key_id"]}
    claims = jwt.decode(assertion, public_key(account), algorithms=["RS256"], audience=account["token_uri"])
    assert claims == {
        "iss": account["client_email"],
        "scope": FCM_SCOPE,
        "aud": account["token_uri"],
        "iat": claims["iat"],
        "exp": claims["iat"] + 3600,
    }


async def test_fifty_at_once_fetch_one_token(auth: GoogleAuth, sandbox: Sandbox) -> None:
    tokens = await asyncio.gather(*(auth.token() for _ in range(50)))
    assert len(set(tokens)) == 1
    assert fetches(sandbox) == 1


async def test_a_refused_token_is_replaced_once_for_all(auth: GoogleAuth, sandbox: Sandbox) -> None:
    old = await auth.token()
    new = await asyncio.gather(*(auth.token(refused=old) for _ in range(50)))
    assert set(new) == {await auth.token()} != {old}
    assert fetches(sandbox) == 2


async def test_it_is_renewed_225_seconds_before_its_end(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    now = 1000.0
    auth = GoogleAuth(http, str(sandbox.account_file), [FCM_SCOPE], clock=lambda: now)
    first = await auth.token()
    now += 3599 - 225 - 0.1
    assert await auth.token() == first
    now += 0.1
    assert await auth.token() != first
    assert fetches(sandbox) == 2


async def test_a_short_token_serves_half_its_time(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.world.token_seconds = 10
    now = 0.0
    auth = GoogleAuth(http, str(sandbox.account_file), [FCM_SCOPE], clock=lambda: now)
    first = await auth.token()
    now = 4.9
    assert await auth.token() == first
    now = 5.0
    assert await auth.token() != first


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_passes_is_tried_again(auth: GoogleAuth, sandbox: Sandbox, status: int) -> None:
    sandbox.world.faults.add(Fault(provider="google", status=status, times=TRIES - 1))
    assert await auth.token() in sandbox.world.access_tokens
    assert fetches(sandbox) == TRIES


async def test_a_lost_answer_is_asked_for_again(auth: GoogleAuth, sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(provider="google", drop=True))
    assert await auth.token() in sandbox.world.access_tokens
    assert fetches(sandbox) == 2


async def test_an_endpoint_that_stays_down_is_asked_for_all_at_once(auth: GoogleAuth, sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(provider="google", status=503, times=100))
    failures = await asyncio.gather(*(auth.token() for _ in range(50)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {Unavailable}
    assert fetches(sandbox) == TRIES
    sandbox.world.faults.reset()
    assert await auth.token()


async def test_refused_credentials(http: httpx.AsyncClient, sandbox: Sandbox, tmp_path: Path) -> None:
    path = copy_of(sandbox, tmp_path / "account.json", client_email="nobody@shop.test")
    with pytest.raises(NotPermitted) as refusal:
        await GoogleAuth(http, path, [FCM_SCOPE]).token()
    assert (refusal.value.message, refusal.value.code, refusal.value.status) == (
        "Invalid grant: account not found",
        "invalid_grant",
        400,
    )
    assert not refusal.value.retryable
    assert fetches(sandbox) == 1


async def test_a_scope_that_google_does_not_know(http: httpx.AsyncClient, sandbox: Sandbox) -> None:
    with pytest.raises(NotPermitted) as refusal:
        await GoogleAuth(http, str(sandbox.account_file), ["pushes"]).token()
    assert refusal.value.code == "invalid_scope"


async def reason(auth: GoogleAuth) -> str:
    assert not auth.configured
    with pytest.raises(NotConfigured) as refusal:
        await auth.token()
    return refusal.value.message


async def test_without_a_file(http: httpx.AsyncClient, sandbox: Sandbox, tmp_path: Path) -> None:
    assert await reason(GoogleAuth(http, "", [])) == "GOOGLE_SERVICE_ACCOUNT_FILE is not set"
    absent = GoogleAuth(http, str(tmp_path / "none.json"), [])
    assert await reason(absent) == "the Google service account cannot be read: No such file or directory"
    assert fetches(sandbox) == 0


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b'{"project_id": 5}'])
async def test_with_a_file_that_is_no_account(http: httpx.AsyncClient, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(content)
    assert "malformed" in await reason(GoogleAuth(http, str(path), []))


async def test_credentials_are_not_sent_in_clear(http: httpx.AsyncClient, sandbox: Sandbox, tmp_path: Path) -> None:
    path = copy_of(sandbox, tmp_path / "account.json", token_uri="http://oauth2.example.com/token")
    text = "the Google service account's token_uri is neither https nor on this machine"
    assert await reason(GoogleAuth(http, path, [])) == text


def keys_of_others() -> dict[str, str]:
    """What OpenSSL reads, or half reads, and no account signs with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = (Encoding.PEM, PrivateFormat.PKCS8)
    return {
        "cut off": "-----BEGIN PRIVATE KEY-----\nAAAA\n",
        "public": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "with a password": key.private_bytes(*private, BestAvailableEncryption(b"secret")).decode(),
        "of a curve": ec.generate_private_key(ec.SECP256R1()).private_bytes(*private, NoEncryption()).decode(),
    }


@pytest.mark.parametrize("name", ["cut off", "public", "with a password", "of a curve"])
async def test_with_a_key_that_is_none(http: httpx.AsyncClient, sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    path = copy_of(sandbox, tmp_path / "account.json", private_key=keys_of_others()[name])
    with pytest.raises(NotConfigured, match="private_key is no RSA key"):
        await GoogleAuth(http, path, [FCM_SCOPE]).token()


async def test_a_file_that_comes_later_or_changes_is_seen(
    http: httpx.AsyncClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "account.json"
    auth = GoogleAuth(http, str(path), [FCM_SCOPE])
    assert not auth.configured
    copy_of(sandbox, path)
    assert auth.configured
    first = await auth.token()
    copy_of(sandbox, path, project_id="another")
    os.utime(path, ns=(0, 1))
    assert auth.account().project_id == "another"
    assert await auth.token() != first


async def test_unreadable_grants(tmp_path: Path, sandbox: Sandbox) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"<html>"))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(Unavailable) as failure:
            await GoogleAuth(http, str(sandbox.account_file), [FCM_SCOPE]).token()
    assert isinstance(failure.value, ProviderError)
    assert failure.value.retryable
