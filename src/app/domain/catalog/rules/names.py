"""Names that are made from other names: slugs and SKUs."""

import re
import unicodedata
from collections.abc import Container
from itertools import count

_FALLBACK_SLUG = "category"
_FALLBACK_LETTERS = "GEN"
_SKU_LETTERS = 3
_SLUG_LENGTH = 100


def slug_of(name: str) -> str:
    """The name in lower-case ASCII with dashes, as Django's `slugify` makes it; never empty."""
    words = re.sub(r"[^\w\s-]", "", _ascii(name).lower())
    return re.sub(r"[-\s]+", "-", words).strip("-_")[:_SLUG_LENGTH] or _FALLBACK_SLUG


def free_slug(slug: str, taken: Container[str]) -> str:
    """The slug itself or the first of `-2`, `-3`, ... that nobody has."""
    if slug not in taken:
        return slug
    return next(numbered for n in count(2) if (numbered := f"{slug}-{n}") not in taken)


def sku_of(category: str, brand: str, number: int) -> str:
    """Letters of category and brand and a number that is unique: `FER-BIO-00042`."""
    return f"{_letters(category)}-{_letters(brand)}-{number:05d}"


def _letters(name: str) -> str:
    letters = re.sub(r"[^A-Z]", "", _ascii(name).upper())
    return letters[:_SKU_LETTERS] or _FALLBACK_LETTERS


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
