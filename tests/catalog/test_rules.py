"""The catalogue's pure rules."""

import io
import zlib
from decimal import Decimal

import pytest
from PIL import Image

from app.domain.catalog.rules import pictures
from app.domain.catalog.rules.names import free_slug, sku_of, slug_of
from app.domain.catalog.rules.pictures import BadPicture, check_header, encode
from app.domain.catalog.rules.prices import lowest_price
from app.domain.catalog.rules.trees import Node, two_levels


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Fertilizantes Orgánicos", "fertilizantes-organicos"),
        ("  Año -- Nuevo_2 ", "ano-nuevo_2"),
        ("-_-", "category"),
        ("植物", "category"),
        ("ﷺ" * 100, "category"),
        ("㎒" * 100, ("mhz" * 100)[:100]),
    ],
)
def test_slug(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_free_slug() -> None:
    assert free_slug("a", set()) == "a"
    assert free_slug("a", {"a", "a-2", "a-b"}) == "a-3"


@pytest.mark.parametrize(
    ("category", "brand", "number", "sku"),
    [
        ("Fertilizantes", "BioBizz", 42, "FER-BIO-00042"),
        ("Ñandú", "3M", 123456, "NAN-M-123456"),
        ("植物", "", 1, "GEN-GEN-00001"),
    ],
)
def test_sku(category: str, brand: str, number: int, sku: str) -> None:
    assert sku_of(category, brand, number) == sku


def test_lowest_price_takes_the_cheapest_option_of_each_variant() -> None:
    adjustments = [[Decimal(5), Decimal("-3.50")], [Decimal(0), Decimal(2)], []]
    assert lowest_price(Decimal(10), adjustments) == Decimal("6.50")
    assert lowest_price(Decimal(10), []) == Decimal(10)


def test_two_levels_of_a_deep_tree() -> None:
    nodes = [Node(1, "a", "a", None, 1), Node(2, "b", "b", 1, 10)]
    nodes += [Node(n, "x", "x", n - 1, 1) for n in range(3, 2000)]
    (root,) = two_levels(nodes)
    assert (root.products, [child.products for child in root.children]) == (2008, [2007])


def drawn(kind: str, size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, (200, 10, 10, 128)[: len(mode)]).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("GIF", "png")])
def test_pictures_are_written_anew(kind: str, suffix: str) -> None:
    source = drawn(kind) + b"what is no part of the picture"
    check_header(source)
    done = encode(source)
    with Image.open(io.BytesIO(done.content)) as picture:
        assert picture.size == (40, 20)
        assert {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[done.suffix] == picture.format
    assert done.suffix == suffix
    assert b"no part" not in done.content


def test_metadata_is_gone_and_the_picture_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (34.0, 36.0, 13.0)  # where it was taken
    source = drawn("JPEG", exif=exif.tobytes(), comment=b"SecretComment", icc_profile=b"SecretProfile" * 20)
    assert b"SecretCamera" in source
    done = encode(source)
    assert b"Secret" not in done.content
    with Image.open(io.BytesIO(done.content)) as picture:
        assert picture.size == (20, 40)
        assert not picture.getexif()
        assert "icc_profile" not in picture.info


def test_transparency_stays_and_trailing_bytes_go() -> None:
    done = encode(drawn("PNG", mode="RGBA") + b"<script>alert(1)</script>")
    assert b"<script>" not in done.content
    with Image.open(io.BytesIO(done.content)) as picture:
        assert (picture.mode, picture.getpixel((0, 0))) == ("RGBA", (200, 10, 10, 128))


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG")])
def test_all_colour_modes(mode: str, kind: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (10, 10)).save(out, kind)
    with Image.open(io.BytesIO(encode(out.getvalue()).content)) as picture:
        assert picture.mode in {"RGB", "RGBA"}


def test_large_pictures_are_made_smaller() -> None:
    for size, kept in (((3000, 1500), (2000, 1000)), ((1500, 3000), (1000, 2000)), ((4000, 3000), (2000, 1500))):
        with Image.open(io.BytesIO(encode(drawn("PNG", size=size)).content)) as picture:
            assert (picture.size, picture.getpixel((0, 0))) == (kept, (200, 10, 10))


@pytest.mark.parametrize(
    ("size", "progressive", "kept"),
    [
        ((4080, 3072), False, (2000, 1506)),
        ((4080, 3072), True, (2000, 1506)),
        ((6000, 4000), False, (2000, 1333)),
        ((8160, 6144), False, (2000, 1506)),
        ((10000, 6000), False, (2000, 1200)),
        ((3500, 3500), False, (1750, 1750)),
        ((3000, 3000), True, (1500, 1500)),
        ((2400, 1800), True, (2000, 1500)),
    ],
)
def test_photographs_of_common_cameras_are_taken(
    size: tuple[int, int],
    progressive: bool,
    kept: tuple[int, int],
) -> None:
    done = encode(drawn("JPEG", size=size, progressive=progressive))
    with Image.open(io.BytesIO(done.content)) as picture:
        assert picture.size == kept
        picture.load()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        SVG,
        b"<html><script>alert(1)</script></html>",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
        b"GIF89a/*",
        b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
        drawn("BMP"),
        drawn("TIFF"),
        drawn("ICO"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(BadPicture):
        check_header(content)


def test_truncated_pictures_are_refused() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        noisy = Image.effect_noise((200, 200), 100).convert("RGB")
        out = io.BytesIO()
        noisy.save(out, kind)
        with pytest.raises(BadPicture):
            encode(out.getvalue()[: len(out.getvalue()) // 2])


def test_a_flood_of_pixels_is_refused_from_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    small = drawn("PNG")
    header = b"IHDR" + (50_000).to_bytes(4, "big") * 2 + small[24:29]
    flood = small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    with pytest.raises(BadPicture, match="pixels"):
        check_header(flood)
    monkeypatch.setattr(pictures, "MAX_MEMORY", 3199)
    with pytest.raises(BadPicture, match="pixels"):
        check_header(small)
