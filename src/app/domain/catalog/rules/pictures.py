"""What counts as a picture, and the picture that is kept of it: re-encoded, bounded, without metadata."""

import io

import msgspec
from PIL import Image, ImageOps

# Decoding asks for four bytes a pixel at most; a larger picture is refused from its header alone.
MAX_PIXELS = 25_000_000
# The longer side of what is kept, in pixels.
MAX_SIDE = 2000
_QUALITY = 85
_SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}
_READABLE = (*_SUFFIXES, "GIF")
EMPTY = "The submitted file is empty."
NOT_A_PICTURE = "Upload a valid image. The file you uploaded was either not an image or a corrupted image."
TOO_MANY_PIXELS = f"Ensure the image has no more than {MAX_PIXELS} pixels."


class BadPicture(ValueError):
    """Why a file is refused."""


class EncodedPicture(msgspec.Struct, frozen=True):
    """A picture as it is stored."""

    content: bytes
    suffix: str


def check_header(content: bytes) -> None:
    """Raises BadPicture for what is no JPEG, PNG, WebP or GIF by its own first bytes, or too large. Decodes nothing."""
    if not content:
        raise BadPicture(EMPTY)
    _opened(content).close()


def encode(content: bytes) -> EncodedPicture:
    """Decode the first frame, turn it upright, shrink it, and write it anew without metadata. Raises BadPicture.

    Takes up to a second of processor time: call it in a thread.
    """
    with _opened(content) as source:
        kind = source.format if source.format in _SUFFIXES else "PNG"
        try:
            source.draft("RGB", (MAX_SIDE, MAX_SIDE))
            picture = ImageOps.exif_transpose(source)
            picture.thumbnail((MAX_SIDE, MAX_SIDE))
            return EncodedPicture(_written(picture, kind), _SUFFIXES[kind])
        except (OSError, SyntaxError, ValueError, TypeError, EOFError, Image.DecompressionBombError) as error:
            raise BadPicture(NOT_A_PICTURE) from error


def _opened(content: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content), formats=_READABLE)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(TOO_MANY_PIXELS) from error
    except (OSError, SyntaxError, ValueError, TypeError, EOFError) as error:
        raise BadPicture(NOT_A_PICTURE) from error
    if picture.width * picture.height > MAX_PIXELS:
        picture.close()
        raise BadPicture(TOO_MANY_PIXELS)
    return picture


def _written(picture: Image.Image, kind: str) -> bytes:
    """The pixels alone: what the source carried beside them is not handed to the encoder."""
    transparent = picture.has_transparency_data
    mode = "RGB" if kind == "JPEG" or not transparent else "RGBA"
    clean = picture.convert(mode)
    clean.info.clear()
    out = io.BytesIO()
    clean.save(out, kind, quality=_QUALITY, optimize=kind == "PNG")
    return out.getvalue()
