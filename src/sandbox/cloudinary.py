"""Cloudinary's upload API and its delivery, whatever the transformation."""

import base64
import binascii
import datetime as dt
import hashlib
import io
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from PIL import Image

from sandbox import cloud
from sandbox.world import World

MAX_BYTES = 10_485_760
_FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_MEDIA = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif"}
_DELIVERED = re.compile(r"(?:.*/)?v[0-9]+/(.+)\.([a-z]+)|(.+)\.([a-z]+)")


class Refused(Exception):
    """What Cloudinary answers instead."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def _refuse(_: Any, refusal: Refused) -> Response[bytes]:
    return _answer({"error": {"message": refusal.message}}, refusal.status)


@post(
    "/cloudinary/v1_1/{name:str}/image/upload",
    status_code=200,
    request_max_body_size=None,
    exception_handlers={Refused: _refuse},
)
async def upload(request: Request[Any, Any, Any], name: str, world: World) -> Response[bytes]:
    fields, content = await _read(request)
    _check(name, fields)
    asset = _asset(fields, content, world)
    existing = world.cloud.assets.get(asset.public_id)
    if existing and fields.get("overwrite") in {"false", "0"}:
        return _answer(_shown(existing, str(request.base_url)) | {"existing": True})
    return _answer(_shown(world.cloud.put(asset), str(request.base_url)) | ({"overwritten": True} if existing else {}))


@post("/cloudinary/v1_1/{name:str}/image/destroy", status_code=200, exception_handlers={Refused: _refuse})
async def destroy(request: Request[Any, Any, Any], name: str, world: World) -> Response[bytes]:
    fields, _ = await _read(request)
    _check(name, fields)
    if not fields.get("public_id"):
        raise Refused(400, "Missing required parameter - public_id")
    gone = world.cloud.assets.pop(fields["public_id"], None)
    return _answer({"result": "ok" if gone else "not found"})


@get("/cloudinary/{name:str}/image/upload/{rest:path}")
async def deliver(name: str, rest: str, world: World) -> Response[bytes]:
    found = _DELIVERED.fullmatch(rest.lstrip("/"))
    asset = world.cloud.assets.get(found[1] or found[3]) if found else None
    if name != cloud.NAME or asset is None:
        return Response(b"", status_code=404, headers={"X-Cld-Error": "Resource not found"}, media_type="image/gif")
    headers = {"Cache-Control": "public, no-transform, immutable, max-age=2592000"}
    return Response(asset.content, headers=headers, media_type=_MEDIA[asset.format])


async def _read(request: Request[Any, Any, Any]) -> tuple[dict[str, str], bytes | None]:
    """The fields as they are signed, and the file's bytes; a list is signed as one text."""
    form = await request.form()
    fields: dict[str, str] = {}
    content: bytes | None = None
    for key, value in form.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
        elif key == "file":
            content = _of_data_uri(str(value))
        else:
            name = key.removesuffix("[]")
            fields[name] = f"{fields[name]},{value}" if name in fields else str(value)
    return fields, content


def _of_data_uri(text: str) -> bytes:
    """What is no data URI is no picture: addresses are not fetched here."""
    found = re.fullmatch(r"data:[\w/+.-]*;base64,(.*)", text, re.DOTALL)
    try:
        return base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return b""


def _check(name: str, fields: Mapping[str, str]) -> None:
    """Whose call it is, and when it was made. Raises Refused."""
    if name != cloud.NAME or fields.get("api_key") != cloud.KEY:
        raise Refused(401, f"Unknown API key {fields.get('api_key', '')}")
    if not fields.get("timestamp", "").isdigit():
        raise Refused(400, "Missing required parameter - timestamp")
    if not cloud.is_signed(fields):
        given, wanted = fields.get("signature", ""), cloud.strings_to_sign(fields)[0]
        raise Refused(401, f"Invalid Signature {given}. String to sign - '{wanted}'.")
    at = int(fields["timestamp"])
    if at < time.time() - cloud.STALE_SECONDS:
        shown = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
        raise Refused(400, f"Stale request - reported time is {shown} which is more than 1 hour ago")


def _asset(fields: Mapping[str, str], content: bytes | None, world: World) -> cloud.Asset:
    if content is None:
        raise Refused(400, "Missing required parameter - file")
    if len(content) > MAX_BYTES:
        raise Refused(400, f"File size too large. Got {len(content)}. Maximum is {MAX_BYTES}.")
    try:
        with Image.open(io.BytesIO(content), formats=list(_FORMATS)) as picture:
            width, height, kind = picture.width, picture.height, _FORMATS[str(picture.format)]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Refused(400, "Invalid image file") from error
    public_id = fields.get("public_id") or world.cloud.new_id()
    folder = fields.get("folder")
    return cloud.Asset(f"{folder}/{public_id}" if folder else public_id, 0, kind, width, height, content)


def _shown(asset: cloud.Asset, base: str) -> dict[str, Any]:
    folder, _, name = asset.public_id.rpartition("/")
    address = f"{base}cloudinary/{cloud.NAME}/image/upload/v{asset.version}/{asset.public_id}.{asset.format}"
    digest = hashlib.md5(asset.content, usedforsecurity=False).hexdigest()
    return {
        "asset_id": hashlib.md5(asset.public_id.encode(), usedforsecurity=False).hexdigest(),
        "public_id": asset.public_id,
        "version": asset.version,
        "version_id": digest,
        "signature": cloud.answer_signature(asset.public_id, asset.version),
        "width": asset.width,
        "height": asset.height,
        "format": asset.format,
        "resource_type": "image",
        "created_at": dt.datetime.fromtimestamp(asset.version, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tags": [],
        "bytes": len(asset.content),
        "type": "upload",
        "etag": digest,
        "placeholder": False,
        "url": address,
        "secure_url": address,
        "folder": folder,
        "asset_folder": folder,
        "display_name": name,
        "original_filename": "picture",
        "api_key": cloud.KEY,
    }


def _answer(content: dict[str, Any], status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(content), status_code=status, media_type="application/json")


HANDLERS = (upload, destroy, deliver)
