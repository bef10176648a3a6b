"""Hostile uploads: refused, or written anew without what made them hostile; quickly, and in bounded memory."""

import io
import random
import struct
import time
import zlib
from collections.abc import Callable

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.rules.pictures import MAX_BYTES, BadPicture, encode
from app.settings import Settings
from tests.factories_catalog import make_product
from tests.memory import Growth
from tests.shop import People

PATH = "/api/products/"
SCRIPT = b"<script>alert(document.domain)</script>"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
ACTIVE = (SCRIPT, EICAR, b"<?php", b"javascript:", b"<svg", b"GPSSecret", b"alert(1)")
SECONDS = 1.0
# The machine may be busy with others: the fastest of these tries counts.
TRIES = 3
MEMORY_MB = 64


def drawn(kind: str, size: tuple[int, int] = (64, 64), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, pixels: bytes = b"", *extra: bytes, colour: int = 2, depth: int = 8) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = b"".join(extra) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def located() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "GPSSecret"
    exif.get_ifd(0x8825)[2] = (34.0, 36.0, 13.0)
    return drawn("JPEG", exif=exif.tobytes())


def texted(name: str, value: str, *, packed: bool = False) -> bytes:
    about = PngInfo()
    about.add_text(name, value, zip=packed)
    return drawn("PNG", pnginfo=about)


def flood_gif() -> bytes:
    small = drawn("GIF", mode="P")
    return small[:6] + struct.pack("<HH", 65535, 65535) + small[10:]


def flood_jpeg() -> bytes:
    small = drawn("JPEG")
    at = small.index(b"\xff\xc0")
    return small[: at + 5] + struct.pack(">HH", 65500, 65500) + small[at + 9 :]


def flood_webp() -> bytes:
    frame = b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + b"\0" * 20
    body = b"WEBPVP8L" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


GOOD_JPEG, GOOD_PNG, GOOD_GIF, GOOD_WEBP = (drawn(kind) for kind in ("JPEG", "PNG", "GIF", "WEBP"))
ZEROS = b"\0" * (64 << 20)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "svg": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "svg with a byte order mark": lambda: b"\xef\xbb\xbf<svg onload=alert(1)>",
    "html": lambda: b"<!doctype html>" + SCRIPT,
    "html that begins as a png": lambda: b"\x89PNG\r\n\x1a\n<html>" + SCRIPT,
    "html that begins as a gif": lambda: b"GIF89a" + SCRIPT,
    "html behind a jpeg": lambda: GOOD_JPEG + SCRIPT,
    "script behind a png": lambda: GOOD_PNG + SCRIPT,
    "script behind a gif": lambda: GOOD_GIF + SCRIPT,
    "script behind a webp": lambda: GOOD_WEBP + SCRIPT,
    "gif that is javascript": lambda: b"GIF89a/*" + GOOD_GIF[8:] + b"*/=1;alert(1)//",
    "php in a comment": lambda: drawn("JPEG", comment=b"<?php system($_GET[1]); ?>"),
    "script in a text": lambda: texted("Title", SCRIPT.decode()),
    "script in a profile": lambda: drawn("PNG", icc_profile=SCRIPT * 20),
    "position in exif": located,
    "eicar": lambda: EICAR,
    "eicar behind a png": lambda: GOOD_PNG + EICAR,
    "zip": lambda: b"PK\x03\x04" + b"\0" * 100,
    "pdf": lambda: b"%PDF-1.7\n" + SCRIPT,
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage",
    "tiff": lambda: drawn("TIFF"),
    "bmp": lambda: drawn("BMP"),
    "icon": lambda: drawn("ICO"),
    "nothing": lambda: b"",
    "too many bytes": lambda: GOOD_PNG + b"\0" * MAX_BYTES,
    "flood png": lambda: png(50_000, 50_000),
    "flood gif": flood_gif,
    "flood jpeg": flood_jpeg,
    "flood webp": flood_webp,
    "negative size": lambda: png(0x80000001, 1),
    "no size": lambda: png(0, 0),
    "bomb of pixels": lambda: png(8, 8, ZEROS),
    "bomb of text": lambda: texted("Title", "x" * (32 << 20), packed=True),
    "bomb of profile": lambda: png(8, 8, b"\0" * 200, chunk(b"iCCP", b"x\0\0" + zlib.compress(ZEROS, 9)), colour=2),
    "as large as may be": lambda: drawn("PNG", (3500, 3500)),
    "as large as may be, shrunk as it is read": lambda: drawn("JPEG", (10_000, 6_000)),
    "progressive": lambda: drawn("JPEG", (3000, 3000), progressive=True),
    "narrow": lambda: png(1, 12_000_000),
    "as narrow as may be": lambda: drawn("PNG", (1, 16_383)),
    "half a jpeg": lambda: drawn("JPEG", (500, 500))[:2000],
    "half a png": lambda: GOOD_PNG[: len(GOOD_PNG) // 2],
    "half a webp": lambda: GOOD_WEBP[: len(GOOD_WEBP) // 2],
    "many frames": lambda: drawn(
        "GIF", (300, 300), "P", save_all=True, append_images=[Image.new("P", (300, 300), n) for n in range(1, 200)]
    ),
}


@pytest.mark.goal("S8", "hostile uploads: nothing active kept, <= 64 MB, <= 1 s each", "uploads")
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_uploads(
    client: httpx.AsyncClient, db: AsyncSession, people: People, settings: Settings, name: str
) -> None:
    content = HOSTILE[name]()
    product = await make_product(db)
    fastest = 99.0
    growth = Growth()
    for _ in range(TRIES):
        start = time.process_time()
        answer = await client.patch(
            f"{PATH}{product.id}/", files={"image": ("x.svg", content, "image/svg+xml")}, headers=people.staff
        )
        fastest = min(fastest, time.process_time() - start)
        if fastest < SECONDS:
            break
    assert fastest < SECONDS
    assert growth.mb <= MEMORY_MB
    if answer.status_code == 400:
        assert list(answer.json()) == ["image"]
        return
    assert answer.status_code == 200, answer.text
    served = await client.get(answer.json()["image"])
    assert served.headers["content-type"] in {"image/jpeg", "image/png", "image/webp"}
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert not any(active in served.content for active in ACTIVE)
    with Image.open(io.BytesIO(served.content)) as picture:
        assert not picture.getexif()


def test_memory_that_is_freed_is_seen() -> None:
    growth = Growth()
    bytearray(100 << 20)
    assert 99 < growth.mb < 105


def test_whatever_was_damaged_is_refused_or_a_picture() -> None:
    """Three hundred damaged files of each kind: nothing else is raised, and what is taken can be read again."""
    chance = random.Random(20260101)
    for good in (drawn("JPEG", progressive=True), GOOD_JPEG, GOOD_PNG, GOOD_GIF, GOOD_WEBP, drawn("PNG", mode="P")):
        for _ in range(300):
            damaged = bytearray(good)
            for _ in range(chance.randint(1, 8)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                done = encode(bytes(damaged))
            except BadPicture:
                continue
            with Image.open(io.BytesIO(done.content)) as picture:
                picture.load()
