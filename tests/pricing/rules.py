"""Lines and rules for tests of the engine: sane values for what is not named."""

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.pricing.rules.facts import Bulk, Coupon, Line, Offer, Scheduled
from app.domain.pricing.rules.windows import Weekly

SHOP = ZoneInfo("America/Argentina/Buenos_Aires")
# A Saturday.
NOON = dt.datetime(2026, 11, 21, 12, tzinfo=SHOP)
HOUR = dt.timedelta(hours=1)
D = Decimal


def line(product_id: int = 1, quantity: int = 1, price: str = "1000.00", **fields: Any) -> Line:
    return Line(product_id, quantity, D(price), **fields)


def offer(discount: str, *products: int, start: dt.datetime = NOON - HOUR, end: dt.datetime = NOON + HOUR) -> Offer:
    return Offer("Oferta", D(discount), start, end, frozenset(products))


def saturday(discount: str, category: int, **fields: Any) -> Scheduled:
    window = Weekly(**({"day": 5, "start": dt.time(0), "end": dt.time(23, 59, 59)} | fields))
    return Scheduled("Sábado", D(discount), category, window)


def bulk(buy: int, pay: int, *products: int, number: int = 1, **fields: Any) -> Bulk:
    values = {"start_date": NOON - HOUR, "end_date": NOON + HOUR, "products": frozenset(products)} | fields
    return Bulk(UUID(int=number), f"{buy}x{pay}", buy, pay, **values)


def coupon(value: str = "20.00", kind: str = "percentage", **fields: Any) -> Coupon:
    return Coupon(UUID(int=9), "CODE", kind, D(value), **fields)
