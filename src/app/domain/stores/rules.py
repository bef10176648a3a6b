"""What `?near=` and `?radius_m=` mean."""

import re

from app.errors import Invalid
from app.http.fields import FieldError
from app.http.geo import GeoPoint

DEFAULT_RADIUS_M = 2000.0
# Half way around the world: no place is farther.
MAX_RADIUS_M = 20_100_000.0
BAD_NEAR = "Enter a place as latitude,longitude in degrees, such as -34.6037,-58.3816."
BAD_RADIUS = f"Enter a number of metres above 0 and at most {MAX_RADIUS_M:.0f}."
_DEGREES = r"[+-]?[0-9]{1,3}(?:\.[0-9]{1,20})?"
_NEAR = re.compile(rf"({_DEGREES})\s*,\s*({_DEGREES})", re.ASCII)
_METRES = re.compile(r"[0-9]{1,8}(?:\.[0-9]{1,20})?", re.ASCII)


def near_of(text: str | None) -> GeoPoint | None:
    """The place of `latitude,longitude`, None when it was not asked for. Raises Invalid."""
    if text is None:
        return None
    match = _NEAR.fullmatch(text)
    if match is None:
        raise Invalid.field("near", BAD_NEAR)
    try:
        return GeoPoint.checked(float(match[1]), float(match[2]))
    except FieldError as error:
        raise Invalid({"near": error.messages}) from error


def radius_of(text: str | None) -> float:
    """Metres. Raises Invalid."""
    if text is None:
        return DEFAULT_RADIUS_M
    if not _METRES.fullmatch(text) or not 0 < float(text) <= MAX_RADIUS_M:
        raise Invalid.field("radius_m", BAD_RADIUS)
    return float(text)
