"""Small pictures for the demo's products: a coloured card with a drawing for its kind. Drawn, so nobody's copyright."""

import colorsys
import hashlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from app.domain.catalog.rules.names import slug_of

FOLDER = "products"
# Drawn at twice the size, so that edges are smooth when it is halved.
SIDE = 400
_BIG = 2 * SIDE
_QUALITY = 80
Pen = ImageDraw.ImageDraw
Colour = tuple[int, int, int]
_WHITE: Colour = (255, 255, 255)


def picture_name(product: str) -> str:
    """The picture's file below the media folder."""
    return f"{FOLDER}/demo-{slug_of(product)}.webp"


def draw_missing(media_root: Path, products: Mapping[str, str], done: Callable[[], None]) -> None:
    """Draw a picture for each product (name: top category) that has none; calls `done` after each."""
    for product, category in products.items():
        path = media_root / picture_name(product)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _drawn(product, category).save(path, "WEBP", quality=_QUALITY)
        done()


def _drawn(product: str, category: str) -> Image.Image:
    digest = hashlib.sha256(product.encode()).digest()
    hue = (sum(category.encode()) * 37 + digest[0] // 8) % 360 / 360
    picture = Image.new("RGB", (_BIG, _BIG), _colour(hue, 0.30, 0.97))
    pen = ImageDraw.Draw(picture)
    reach = _BIG * (0.36 + digest[1] / 2550)
    middle = _BIG / 2
    pen.ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=_colour(hue, 0.45, 0.90))
    _SHAPES.get(category, _leaf)(pen, _colour(hue, 0.75, 0.48), digest[2] / 255)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _points(*pairs: tuple[float, float]) -> list[tuple[float, float]]:
    """From a square of 100 to the picture."""
    return [(x * _BIG / 100, y * _BIG / 100) for x, y in pairs]


def _leaf(pen: Pen, ink: Colour, chance: float) -> None:
    """Leaflets around a stem."""
    for leaflet in range(7):
        angle = math.radians(-90 + (leaflet - 3) * (24 + 6 * chance))
        length = 32 - abs(leaflet - 3) * 4
        tip = (50 + length * math.cos(angle), 58 + length * math.sin(angle))
        side = (4 * math.sin(angle), -4 * math.cos(angle))
        half = (50 + length / 2 * math.cos(angle), 58 + length / 2 * math.sin(angle))
        pen.polygon(
            _points((50, 58), (half[0] + side[0], half[1] + side[1]), tip, (half[0] - side[0], half[1] - side[1])),
            fill=ink,
        )
    pen.line(_points((50, 58), (50, 80)), fill=ink, width=_BIG // 50)


def _bag(pen: Pen, ink: Colour, chance: float) -> None:
    pen.polygon(_points((32, 28), (68, 28), (72, 80), (28, 80)), fill=ink)
    pen.line(_points((34, 34), (66, 34)), fill=_WHITE, width=_BIG // 80)
    pen.ellipse(_points((42, 46), (58, 60 + 6 * chance)), fill=_WHITE)


def _bottle(pen: Pen, ink: Colour, chance: float) -> None:
    pen.rectangle(_points((44, 20), (56, 32)), fill=ink)
    pen.rounded_rectangle(_points((36, 32), (64, 82)), radius=_BIG // 20, fill=ink)
    pen.rectangle(_points((36, 50 - 4 * chance), (64, 68)), fill=_WHITE)


def _lamp(pen: Pen, ink: Colour, chance: float) -> None:
    pen.polygon(_points((38, 26), (62, 26), (74, 46), (26, 46)), fill=ink)
    for ray in range(5):
        x = 30 + ray * 10
        pen.line(_points((x, 52), (x + (ray - 2) * 3, 70 + 8 * chance)), fill=ink, width=_BIG // 60)


def _tent(pen: Pen, ink: Colour, _chance: float) -> None:
    pen.rectangle(_points((28, 22), (72, 80)), outline=ink, width=_BIG // 40)
    pen.polygon(_points((50, 24), (70, 78), (50, 78)), fill=ink)
    pen.line(_points((50, 24), (50, 78)), fill=ink, width=_BIG // 80)


def _fan(pen: Pen, ink: Colour, chance: float) -> None:
    pen.ellipse(_points((24, 24), (76, 76)), outline=ink, width=_BIG // 40)
    for blade in range(3):
        start = blade * 120 + 60 * chance
        pen.pieslice(_points((30, 30), (70, 70)), start, start + 60, fill=ink)


def _pot(pen: Pen, ink: Colour, chance: float) -> None:
    pen.polygon(_points((30, 42), (70, 42), (62, 80), (38, 80)), fill=ink)
    pen.rectangle(_points((27, 36), (73, 44)), fill=ink)
    pen.line(_points((50, 36), (50, 22)), fill=ink, width=_BIG // 50)
    for side in (-1, 1):
        near, far = sorted((50 + side, 50 + side * (14 + 6 * chance)))
        pen.ellipse(_points((near, 16), (far, 24)), fill=ink)


def _drop(pen: Pen, ink: Colour, chance: float) -> None:
    pen.pieslice(_points((32, 40), (68, 76)), 0, 360, fill=ink)
    pen.polygon(_points((50, 18), (66, 52), (34, 52)), fill=ink)
    pen.arc(_points((38, 48), (62, 70)), 90, 120 + 60 * chance, fill=_WHITE, width=_BIG // 60)


def _gauge(pen: Pen, ink: Colour, chance: float) -> None:
    pen.pieslice(_points((24, 30), (76, 82)), 180, 360, fill=ink)
    angle = math.radians(200 + 140 * chance)
    pen.line(_points((50, 56), (50 + 20 * math.cos(angle), 56 + 20 * math.sin(angle))), fill=_WHITE, width=_BIG // 60)


def _jar(pen: Pen, ink: Colour, chance: float) -> None:
    pen.rectangle(_points((36, 22), (64, 30)), fill=ink)
    pen.rounded_rectangle(_points((32, 32), (68, 80)), radius=_BIG // 16, outline=ink, width=_BIG // 40)
    pen.rectangle(_points((36, 60 - 14 * chance), (64, 76)), fill=ink)


_SHAPES: Mapping[str, Callable[[Pen, Colour, float], None]] = {
    "Sustratos": _bag,
    "Fertilizantes": _bottle,
    "Iluminación": _lamp,
    "Carpas de cultivo": _tent,
    "Ventilación": _fan,
    "Macetas": _pot,
    "Riego e hidroponia": _drop,
    "Medición": _gauge,
    "Sanidad vegetal": _bottle,
    "Poscosecha": _jar,
}
