"""The Cloudinary client against the sandbox: what is signed, what is kept, and how each failure is told."""

import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from PIL import Image

from app.clients.cloudinary import Account, CloudinaryClient, signature
from app.clients.errors import (
    BadRequestError,
    NotConfigured,
    NotPermitted,
    OutcomeUnknown,
    ProviderError,
    Throttled,
    Unavailable,
)
from app.clients.trust import trusted
from sandbox import cloud
from sandbox.faults import Fault
from sandbox.server import Sandbox

ACCOUNT = Account(cloud.NAME, cloud.KEY, cloud.SECRET)


def drawn(size: tuple[int, int] = (8, 4), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (1, 2, 3)).save(out, kind)
    return out.getvalue()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[CloudinaryClient]:
    made = CloudinaryClient(httpx.AsyncClient(verify=trusted(), timeout=2), f"{sandbox.url}/cloudinary", ACCOUNT)
    yield made
    await made.aclose()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (
            {"tags": "a,b", "folder": "products", "public_id": "p-1042", "timestamp": "1760000000"},
            "60ef1ed0e7a8b3d2ad7337d9b3ba9de9a2e7073c",
        ),
        (
            {"public_id": "products/p-1042", "timestamp": "1760000000", "empty": ""},
            "a75538c18011be9a009f68013f971f9329775aa7",
        ),
        (
            {"public_id": "products/p-1042", "timestamp": "1760000000", "invalidate": "true"},
            "1ea701fb4a4d8bd8a8c8b7cc08646b9f44f57b67",
        ),
    ],
)
def test_signatures(parameters: dict[str, str], expected: str) -> None:
    assert signature(parameters, "abcd") == expected


def test_a_value_smuggles_no_parameter() -> None:
    assert signature({"a": "1&b=2"}, "s") != signature({"a": "1", "b": "2"}, "s")


@pytest.mark.parametrize(
    ("url", "account"),
    [
        ("cloudinary://k:s@c", Account("c", "k", "s")),
        ("cloudinary://k:s@c?upload_prefix=http://127.0.0.1", Account("c", "k", "s")),
        ("", None),
        ("https://k:s@c", None),
        ("cloudinary://k:s@c/../x", None),
    ],
)
def test_accounts(url: str, account: Account | None) -> None:
    assert Account.of(url) == account


async def test_upload_read_destroy(client: CloudinaryClient, sandbox: Sandbox) -> None:
    done = await client.upload(drawn(), "products/abc")
    assert (done.public_id, done.format, done.width, done.height) == ("products/abc", "png", 8, 4)
    assert done.secure_url == f"{sandbox.url}/cloudinary/demo/image/upload/v{done.version}/products/abc.png"
    async with httpx.AsyncClient(verify=trusted()) as web:
        read = await web.get(done.secure_url)
        assert (read.content, read.headers["content-type"]) == (drawn(), "image/png")
        assert await client.destroy("products/abc") is True
        assert await client.destroy("products/abc") is False
        assert (await web.get(done.secure_url)).status_code == 404


async def test_a_second_upload_of_a_name_changes_nothing(client: CloudinaryClient, sandbox: Sandbox) -> None:
    first = await client.upload(drawn(), "products/abc")
    assert await client.upload(drawn((9, 9)), "products/abc") == first
    assert sandbox.world.cloud.assets["products/abc"].content == drawn()


async def test_nothing_of_the_secret_is_sent(client: CloudinaryClient, sandbox: Sandbox) -> None:
    await client.upload(drawn(), "products/abc")
    (arrival,) = sandbox.world.ledger.requests
    assert cloud.SECRET.encode() not in arrival.body
    assert b'name="signature"' in arrival.body
    assert b"products/abc" in arrival.body


async def test_the_account_is_checked(sandbox: Sandbox) -> None:
    for account, error in (
        (Account("demo", cloud.KEY, "wrong"), NotPermitted),
        (Account("demo", "999", cloud.SECRET), NotPermitted),
        (Account("other", cloud.KEY, cloud.SECRET), NotPermitted),
        (None, NotConfigured),
    ):
        client = CloudinaryClient(httpx.AsyncClient(verify=trusted()), f"{sandbox.url}/cloudinary", account)
        with pytest.raises(error) as raised:
            await client.upload(drawn(), "products/abc")
        assert cloud.SECRET not in str(raised.value)
        await client.aclose()
    assert sandbox.world.cloud.assets == {}


async def test_what_is_no_picture(client: CloudinaryClient) -> None:
    with pytest.raises(BadRequestError, match="Invalid image file"):
        await client.upload(b"<svg/>", "products/abc")


@pytest.mark.parametrize(
    ("fault", "error", "kept"),
    [
        ({"status": 420}, Throttled, False),
        ({"status": 429}, Throttled, False),
        ({"status": 500}, Unavailable, False),
        ({"status": 502}, Unavailable, False),
        ({"status": 403}, NotPermitted, False),
        ({"status": 400}, BadRequestError, False),
        ({"drop": True}, OutcomeUnknown, True),
    ],
)
async def test_failures(
    client: CloudinaryClient, sandbox: Sandbox, fault: dict[str, Any], error: type[ProviderError], *, kept: bool
) -> None:
    sandbox.world.faults.add(Fault("cloudinary", **fault))
    with pytest.raises(error):
        await client.upload(drawn(), "products/abc")
    assert ("products/abc" in sandbox.world.cloud.assets) is kept
    # Afterwards it works again, and what was kept is found.
    assert await client.destroy("products/abc") is kept


async def test_nobody_listens() -> None:
    client = CloudinaryClient(httpx.AsyncClient(verify=trusted()), "http://127.0.0.1:1", ACCOUNT)
    with pytest.raises(Unavailable):
        await client.destroy("products/abc")
    await client.aclose()


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"public_id": 5}', b"[" * 5000])
async def test_unreadable_answers(body: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    client = CloudinaryClient(httpx.AsyncClient(transport=transport), "https://x.test", ACCOUNT)
    with pytest.raises(OutcomeUnknown):
        await client.upload(drawn(), "products/abc")
    await client.aclose()
