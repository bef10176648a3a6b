"""Points on the wire: GeoJSON out, GeoJSON or `{lat, lon}` in."""

import math
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec

from app.http.fields import FieldError

BAD_POINT = 'Enter a point: {"type": "Point", "coordinates": [longitude, latitude]} or {"lat": ..., "lon": ...}.'
BAD_RANGE = "Longitude is from -180 to 180, latitude from -90 to 90, and GeoJSON has the longitude first."
_EWKB_POINT_BYTES = 25
_WKB_POINT_BYTES = 21


class GeoJson(msgspec.Struct, frozen=True):
    """A GeoJSON Point: longitude, then latitude, in degrees on WGS 84."""

    coordinates: tuple[float, float]
    type: Literal["Point"] = "Point"


class GeoPoint(msgspec.Struct, frozen=True):
    """A place in degrees on WGS 84."""

    openapi: ClassVar[Mapping[str, Any]] = {
        "description": "A place: a GeoJSON Point (longitude first) or an object of `lat` and `lon`, in degrees.",
        "anyOf": [
            {
                "type": "object",
                "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                "required": ["lat", "lon"],
            },
            {
                "type": "object",
                "properties": {
                    "type": {"const": "Point"},
                    "coordinates": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
                },
                "required": ["type", "coordinates"],
            },
        ],
    }

    lat: float
    lon: float

    @classmethod
    def parse(cls, value: Any) -> "GeoPoint":
        """From GeoJSON or `{lat, lon}`. Raises FieldError, also for coordinates out of range."""
        if not isinstance(value, dict):
            raise FieldError(BAD_POINT)
        if "coordinates" in value or "type" in value:
            pair = value.get("coordinates")
            if value.get("type") != "Point" or not isinstance(pair, list) or len(pair) != 2:
                raise FieldError(BAD_POINT)
            lon, lat = pair
        else:
            lon, lat = value.get("lon"), value.get("lat")
        return cls.checked(lat, lon)

    @classmethod
    def checked(cls, lat: Any, lon: Any) -> "GeoPoint":
        for number in (lat, lon):
            if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
                raise FieldError(BAD_POINT)
            if not -180 <= number <= 180 or not math.isfinite(number):
                raise FieldError(BAD_RANGE)
        if not -90 <= lat <= 90:
            raise FieldError(BAD_RANGE)
        return cls(lat=float(lat), lon=float(lon))

    @property
    def ewkt(self) -> str:
        """What a geography column takes as text."""
        return f"SRID=4326;POINT({self.lon!r} {self.lat!r})"

    @property
    def geojson(self) -> GeoJson:
        return GeoJson(coordinates=(self.lon, self.lat))

    @classmethod
    def from_wkb(cls, data: bytes | str) -> "GeoPoint":
        """From a geography column's value (WKB or EWKB, bytes or hex), little-endian as PostGIS sends it."""
        raw = bytes.fromhex(data) if isinstance(data, str) else bytes(data)
        start = 9 if len(raw) == _EWKB_POINT_BYTES else 5
        if len(raw) not in (_WKB_POINT_BYTES, _EWKB_POINT_BYTES):
            raise ValueError("not a point")
        lon, lat = struct.unpack_from("<dd" if raw[0] == 1 else ">dd", raw, start)
        return cls(lat=lat, lon=lon)
