"""The sandbox's Cloudinary: signatures of both versions and algorithms, clocks, files in each form."""

import base64
import hashlib
import io
import time
from typing import Any

import httpx
import pytest
from PIL import Image

from sandbox import cloud
from sandbox.server import Sandbox

UPLOAD = "/cloudinary/v1_1/demo/image/upload"
DESTROY = "/cloudinary/v1_1/demo/image/destroy"


def drawn(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 4), (1, 2, 3)).save(out, kind)
    return out.getvalue()


def signed(algorithm: str = "sha1", version: int = 2, **fields: str) -> dict[str, str]:
    fields = {"timestamp": str(int(time.time()))} | fields
    pairs = [f"{name}={value.replace('&', '%26') if version == 2 else value}" for name, value in sorted(fields.items())]
    digest = hashlib.new(algorithm, ("&".join(pairs) + cloud.SECRET).encode()).hexdigest()
    return fields | {"api_key": cloud.KEY, "signature": digest}


async def send(web: httpx.AsyncClient, fields: dict[str, str], content: bytes | None = None) -> httpx.Response:
    return await web.post(UPLOAD, data=fields, files={"file": ("x", drawn() if content is None else content)})


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("version", [1, 2])
async def test_signatures(web: httpx.AsyncClient, algorithm: str, version: int) -> None:
    answer = await send(web, signed(algorithm, version, public_id="p", context="a=1&b=2"))
    assert answer.status_code == 200
    done = answer.json()
    assert (done["public_id"], done["format"], done["width"], done["bytes"]) == ("p", "png", 8, len(drawn()))
    expected = f"public_id=p&version={done['version']}{cloud.SECRET}"
    assert done["signature"] == hashlib.new("sha1", expected.encode(), usedforsecurity=False).hexdigest()


async def test_refusals(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    good = signed(public_id="p")
    cases: list[tuple[dict[str, str], bytes | None, int, str]] = [
        (good | {"signature": "0" * 40}, None, 401, "Invalid Signature"),
        (good | {"signature": ""}, None, 401, "Invalid Signature"),
        (good | {"public_id": "q"}, None, 401, "Invalid Signature"),
        (good | {"api_key": "1"}, None, 401, "Unknown API key"),
        (signed(timestamp=str(int(time.time()) - 3700)), None, 400, "Stale request"),
        (signed(timestamp="x"), None, 400, "Missing required parameter - timestamp"),
        (signed(), b"<svg/>", 400, "Invalid image file"),
        (signed(), b"x" * 10_485_761, 400, "File size too large"),
    ]
    for fields, content, status, words in cases:
        answer = await send(web, fields, content)
        assert (answer.status_code, message(answer)[: len(words)]) == (status, words)
    answer = await web.post(UPLOAD, data=signed())
    assert (answer.status_code, message(answer)) == (400, "Missing required parameter - file")
    answer = await web.post(DESTROY, data=signed())
    assert (answer.status_code, message(answer)) == (400, "Missing required parameter - public_id")
    assert sandbox.world.cloud.assets == {}


async def test_names_versions_and_forms(web: httpx.AsyncClient) -> None:
    first = (await send(web, signed(folder="products"))).json()
    assert first["public_id"].startswith("products/")
    assert len(first["public_id"]) == len("products/") + 20
    data = {"file": f"data:image/png;base64,{base64.b64encode(drawn()).decode()}"}
    done = (await web.post(UPLOAD, data=signed(public_id="p") | data)).json()
    again = (await send(web, signed(public_id="p"))).json()
    assert again["version"] > done["version"]
    assert again["overwritten"] is True
    kept = (await send(web, signed(public_id="p", overwrite="false"), drawn("JPEG"))).json()
    assert (kept["existing"], kept["version"], kept["format"]) == (True, again["version"], "png")
    fetched = await web.post(UPLOAD, data=signed() | {"file": "http://127.0.0.1/x.png"})
    assert (fetched.status_code, message(fetched)) == (400, "Invalid image file")


async def test_delivery_and_destruction(web: httpx.AsyncClient) -> None:
    done: dict[str, Any] = (await send(web, signed(public_id="products/p"), drawn("WEBP"))).json()
    for path in (
        f"v{done['version']}/products/p.webp",
        f"c_fill,f_auto,w_400/v{done['version']}/products/p.webp",
        "products/p.webp",
    ):
        answer = await web.get(f"/cloudinary/demo/image/upload/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    for expected in ("ok", "not found"):
        answer = await web.post(DESTROY, data=signed(public_id="products/p", invalidate="true"))
        assert (answer.status_code, answer.json()) == (200, {"result": expected})
    gone = await web.get(done["secure_url"])
    assert (gone.status_code, gone.headers["x-cld-error"]) == (404, "Resource not found")
