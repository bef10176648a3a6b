"""What counts as a picture, and the picture that is kept of it: re-encoded, bounded, without metadata."""

import hashlib
import io
import re
import struct
import zlib

import msgspec
from PIL import Image, ImageOps

from app.errors import Unavailable

ADDRESS_SCHEMES = ("https://", "http://")
FOLDER = "products"
MAX_BYTES = 10 << 20
# What decoding one picture may take; who would take more is refused from his header alone.
MAX_MEMORY = 50_400_000
# The longer side of what is kept, in pixels. One that stays larger than MAX_BYTES (noise) becomes smaller.
SIDES = (2000, 1400, 1000)
MAX_SIDE = SIDES[0]
# A baseline JPEG is decoded line by line and at a fraction of its size; nothing else may be this large.
MAX_JPEG_PIXELS = 64_000_000
# And no side longer: a decoder keeps accounts of each line.
MAX_EDGE = 16_383
_QUALITY = 85
_KINDS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
SUFFIXES = tuple(_KINDS.values())
_READABLE = (*_KINDS, "GIF")
# Bytes for a pixel: the decoded picture; beside it a WebP decoder's two canvases, or the second copy that is made to
# shrink what has transparency.
_PIXEL_BYTES, _TRANSPARENT_BYTES, _WEBP_BYTES = 4, 8, 12
_PLAIN_MODES = {"RGB", "RGBA", "L", "LA"}
EMPTY = "The submitted file is empty."
NOT_A_PICTURE = "Upload a valid image. The file you uploaded was either not an image or a corrupted image."
TOO_MANY_PIXELS = "Ensure the image has fewer pixels: it is too large to be decoded."
TOO_MANY_BYTES = f"Ensure the image is no larger than {MAX_BYTES >> 20} MB."
# What Pillow's decoders raise at hostile files.
_FAILURES = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, EOFError, MemoryError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
_KEY = re.compile(rf"(?:^|/)({FOLDER}/[a-z0-9_-]+)\.(?:jpg|png|webp)", re.ASCII)


class BadPicture(ValueError):
    """Why a file is refused."""


class PictureHostDown(Unavailable):
    """Pictures cannot be stored at the moment. Without one the product can be saved."""

    key = "error"
    code = "provider_unavailable"


class EncodedPicture(msgspec.Struct, frozen=True):
    """A picture as it is stored."""

    content: bytes
    suffix: str

    @property
    def key(self) -> str:
        """Its name, without suffix, below the media folder: made of its content alone."""
        return f"{FOLDER}/{hashlib.sha256(self.content).hexdigest()[:32]}"


def key_of(stored: str) -> str | None:
    """The name in a product's column, be it a file's below the media folder or an address at the image provider."""
    found = _KEY.search(stored)
    return found[1] if found else None


def is_address(stored: str) -> bool:
    """Whether a product's column holds an address at the image provider, and not a file's name."""
    return stored.startswith(ADDRESS_SCHEMES)


def check_header(content: bytes) -> None:
    """Raises BadPicture for what is no JPEG, PNG, WebP or GIF by its own first bytes, or too large. Decodes nothing."""
    if not content:
        raise BadPicture(EMPTY)
    if len(content) > MAX_BYTES:
        raise BadPicture(TOO_MANY_BYTES)
    _opened(content).close()


def encode(content: bytes) -> EncodedPicture:
    """Decode the first frame, shrink it, turn it upright, and write it anew without metadata. Raises BadPicture.

    Takes up to a second of processor time and MAX_MEMORY: call it in a thread, and few at a time.
    """
    try:
        picture, kind = _decoded(content)
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
        ImageOps.exif_transpose(picture, in_place=True)
        return EncodedPicture(_bounded(picture, kind), _KINDS[kind])
    except BadPicture:
        raise
    except _FAILURES as error:
        raise BadPicture(NOT_A_PICTURE) from error


def _decoded(content: bytes) -> tuple[Image.Image, str]:
    """The picture, and the format that it is to be written in. The decoder and what it holds are gone."""
    with _opened(content) as source:
        kind = source.format if source.format in _KINDS else "PNG"
        mode = "RGBA" if kind != "JPEG" and source.has_transparency_data else "RGB"
        whole = source if source.mode in _PLAIN_MODES else source.convert(mode)
        small = whole.reduce(2) if _is_huge(source) else whole
        return small.convert(mode) if small is source or small.mode != mode else small, kind


def _is_huge(picture: Image.Image) -> bool:
    """Whether shrinking it to the very size would take as much memory again: it is halved instead."""
    room = MAX_MEMORY * 2 // 3 if picture.has_transparency_data else MAX_MEMORY // 2
    return max(picture.size) > MAX_SIDE and picture.width * picture.height * _bytes_of(picture) > room


def _opened(content: bytes) -> Image.Image:
    """A picture of which only the header was read, and that will not take more than it may."""
    try:
        picture = Image.open(io.BytesIO(content), formats=_READABLE)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(TOO_MANY_PIXELS) from error
    except _FAILURES as error:
        raise BadPicture(NOT_A_PICTURE) from error
    if (
        max(picture.size) > MAX_EDGE
        or picture.width * picture.height > MAX_JPEG_PIXELS
        or _memory(picture) > MAX_MEMORY
    ):
        picture.close()
        raise BadPicture(TOO_MANY_PIXELS)
    return picture


def _memory(picture: Image.Image) -> int:
    pixels = picture.width * picture.height
    if picture.format == "JPEG":
        return _memory_of_jpeg(picture)
    if picture.format == "WEBP":
        return pixels * _WEBP_BYTES
    return pixels * _bytes_of(picture)


def _bytes_of(picture: Image.Image) -> int:
    return _TRANSPARENT_BYTES if picture.has_transparency_data else _PIXEL_BYTES


def _memory_of_jpeg(picture: Image.Image) -> int:
    """It is decoded at an eighth, a quarter or half of its size where that is large enough, or all that there is room
    for.
    """
    coefficients = _coefficients(picture) if "progressive" in picture.info else 0
    wholly = picture.width * picture.height * _PIXEL_BYTES
    scale = next(s for s in (8, 4, 2, 1) if max(picture.size) // s >= MAX_SIDE or s == 1)
    decoded = wholly // scale**2
    if decoded > MAX_MEMORY // 2 or coefficients + decoded > MAX_MEMORY:
        scale *= 2
    picture.draft("RGB", (max(picture.width // scale, 1), max(picture.height // scale, 1)))
    return coefficients + picture.width * picture.height * _PIXEL_BYTES


def _coefficients(picture: Image.Image) -> int:
    """What a progressive JPEG needs before its first line is whole: two bytes for each sample of each component."""
    layers: list[tuple[int, int, int, int]] = getattr(picture, "layer", [])
    samples = sum(across * down for _, across, down, _ in layers)
    largest = max((across * down for _, across, down, _ in layers), default=1)
    return picture.width * picture.height * 2 * samples // max(largest, 1)


def _bounded(picture: Image.Image, kind: str) -> bytes:
    written = _written(picture, kind)
    for side in SIDES[1:]:
        if len(written) <= MAX_BYTES:
            break
        picture.thumbnail((side, side))
        written = _written(picture, kind)
    return written


def _written(picture: Image.Image, kind: str) -> bytes:
    """The pixels alone: what the source carried beside them is not handed to the encoder."""
    picture.info.clear()
    out = io.BytesIO()
    picture.save(out, kind, quality=_QUALITY)
    return out.getvalue()
