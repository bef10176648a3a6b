"""The three services that quote the dollar, each in its own words."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.exceptions import NotFoundException

from sandbox.google_api import answer
from sandbox.rates_table import ARGENTINA, Change, House, RatesTable
from sandbox.world import World

NO_PAGE = b"<!doctype html><title>404</title><h1>Not Found</h1>"
# ArgentinaDatos' history, in days; the real one is years long.
HISTORY_DAYS = 30


def _number(value: Decimal | None) -> int | float | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def _missing() -> Response[bytes]:
    return Response(NO_PAGE, status_code=404, media_type="text/html; charset=utf-8")


def _shown(house: House) -> dict[str, Any]:
    at = house.quoted_at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "moneda": "USD",
        "casa": house.casa,
        "nombre": house.nombre,
        "compra": _number(house.compra),
        "venta": _number(house.venta),
        "fechaActualizacion": at,
    }


@get("/dolarapi/v1/dolares")
async def dolarapi_all(world: World) -> Response[bytes]:
    return answer([_shown(house) for house in world.rates.houses.values()])


@get("/dolarapi/v1/dolares/{casa:str}")
async def dolarapi_one(world: World, casa: str) -> Response[bytes]:
    house = world.rates.houses.get(casa)
    return answer(_shown(house)) if house else _missing()


@get("/dolarapi/v1/estado")
async def dolarapi_state() -> Response[bytes]:
    return answer({"estado": "Disponible", "aleatorio": 1234})


def _pair(house: House, factor: Decimal = Decimal(1)) -> dict[str, Any]:
    """Two decimals always, which only raw JSON can say."""
    sell = house.venta * factor
    buy = (house.compra or house.venta) * factor
    values = {"value_avg": (buy + sell) / 2, "value_sell": sell, "value_buy": buy}
    return {name: msgspec.Raw(f"{value:.2f}".encode()) for name, value in values.items()}


def _pairs(rates: RatesTable) -> dict[str, Any]:
    official, blue, euro = rates.houses["oficial"], rates.houses["blue"], Decimal("1.087")
    return {
        "oficial": _pair(official),
        "blue": _pair(blue),
        "oficial_euro": _pair(official, euro),
        "blue_euro": _pair(blue, euro),
    }


@get("/bluelytics/v2/latest")
async def bluelytics_latest(world: World) -> Response[bytes]:
    at = world.rates.houses["blue"].quoted_at.astimezone(ARGENTINA).isoformat(timespec="microseconds")
    return answer({**_pairs(world.rates), "last_update": at})


@get("/bluelytics/v2/historical")
async def bluelytics_day(world: World, day: str) -> Response[bytes]:
    pairs = _pairs(world.rates)
    if not _has(world.rates.houses["blue"], day):
        return answer({"error": "Error: day not found"}, status_code=404)
    return answer({name: pairs[name] for name in ("oficial", "blue")})


def _day(house: House, day: dt.date) -> dict[str, Any]:
    return {
        "casa": house.casa,
        "compra": _number(house.compra),
        "venta": _number(house.venta),
        "fecha": day.isoformat(),
    }


def _has(house: House, day: str) -> bool:
    try:
        age = (house.day - dt.date.fromisoformat(day)).days
    except ValueError:
        return False
    return 0 <= age < HISTORY_DAYS


@get("/argentinadatos/v1/cotizaciones/dolares/{casa:str}")
async def argentinadatos_all(world: World, casa: str) -> Response[bytes]:
    """Oldest first."""
    house = world.rates.houses.get(casa)
    if house is None:
        return _missing()
    days = [house.day - dt.timedelta(days=back) for back in range(HISTORY_DAYS)]
    return answer([_day(house, day) for day in reversed(days)])


@get("/argentinadatos/v1/cotizaciones/dolares/{casa:str}/{year:str}/{month:str}/{day:str}")
async def argentinadatos_day(world: World, casa: str, year: str, month: str, day: str) -> Response[bytes]:
    house, text = world.rates.houses.get(casa), f"{year}-{month}-{day}"
    if house is None or not _has(house, text):
        return answer({"error": "No se encontraron datos"}, status_code=404)
    return answer(_day(house, dt.date.fromisoformat(text)))


@post("/__emu__/rates", status_code=200)
async def change_rate(world: World, data: Change) -> dict[str, str]:
    """From now on a house quotes this, at all three services."""
    if not world.rates.change(data):
        raise NotFoundException
    return {"status": "changed"}


HANDLERS = (
    dolarapi_all,
    dolarapi_one,
    dolarapi_state,
    bluelytics_latest,
    bluelytics_day,
    argentinadatos_all,
    argentinadatos_day,
    change_rate,
)
