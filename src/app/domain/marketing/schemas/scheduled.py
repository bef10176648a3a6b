"""Discounts by weekday on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from app.http.body import Input
from app.http.fields import Id, Name, Percent, Text

Weekday = Annotated[int, Meta(ge=0, le=6)]
DAY_NAMES = ("Lunes", "Martes", "Miércoles", "Jueves", "Viernes", "Sábado", "Domingo")


class ScheduledDiscount(msgspec.Struct):
    """A percentage off a category and all below it on one weekday, 0 is Monday; `is_active_now` follows the clock."""

    id: UUID
    name: str
    description: str
    category: int
    category_name: str
    day_of_week: int
    day_name: str
    discount: Decimal
    start_time: dt.time
    end_time: dt.time
    active: bool
    valid_from: dt.date | None
    valid_until: dt.date | None
    last_applied: dt.datetime | None
    last_removed: dt.datetime | None
    is_active_now: bool
    affected_products_count: int


class ScheduledDiscountInput(Input):
    """An end before the start lies on the next day; 23:59:59 is the end of the day."""

    name: Name
    category: Id
    day_of_week: Weekday
    discount: Percent
    description: Text = ""
    start_time: dt.time = dt.time(0)
    end_time: dt.time = dt.time(23, 59, 59)
    active: bool = True
    valid_from: dt.date | None = None
    valid_until: dt.date | None = None


class ScheduledDay(msgspec.Struct):
    """The discounts of a weekday."""

    day_of_week: int
    day_name: str
    discounts: list[ScheduledDiscount]


class Switched(msgspec.Struct):
    """What a switch by hand did; `affected_products` is 0 when it changed nothing."""

    message: str
    affected_products: int
    promotion: ScheduledDiscount


class Preview(msgspec.Struct):
    """What the periodic job would mark now."""

    would_apply: list[ScheduledDiscount]
    would_remove: list[ScheduledDiscount]
    checked_at: dt.datetime


class Applied(msgspec.Struct, frozen=True):
    """What the periodic job marked; `affected_products` are those that the marked discounts cover."""

    applied: int
    removed: int
    affected_products: int
