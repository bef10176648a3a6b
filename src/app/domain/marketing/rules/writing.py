"""What may be written: rules over several fields. Each gets the object as it will stand."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.errors import Invalid

PRESETS = {"3x2": (3, 2), "2x1": (2, 1), "4x3": (4, 3), "5x4": (5, 4)}
ABOVE_ALL = "Ensure this value is less than or equal to 100."
BAD_END = "The end must be after the start."
BAD_SPAN = "The end must differ from the start."
BAD_PAY = "Ensure that less is paid than is bought."
NEEDED = "This field is required for a custom promotion."
LONG_CODE = "Ensure this field has no more than {most} characters."


def code_of(text: str, most: int) -> str:
    """A code as it is kept: in upper case, in which some letters are two. Raises Invalid for one that is too long."""
    code = text.upper()
    if len(code) > most:
        raise Invalid.field("code", LONG_CODE.format(most=most))
    return code


def check_coupon(values: Mapping[str, Any]) -> None:
    """A percentage is at most 100. Raises Invalid."""
    if values["type"] == "percentage" and values["value"] > Decimal(100):
        raise Invalid.field("value", ABOVE_ALL)


def check_dates(values: Mapping[str, Any]) -> None:
    """What is dated ends after it starts. Raises Invalid."""
    if values["end_date"] <= values["start_date"]:
        raise Invalid.field("end_date", BAD_END)


def check_window(values: Mapping[str, Any]) -> None:
    """A weekly window lasts, and is valid from no later than until. Raises Invalid."""
    if values["start_time"] == values["end_time"]:
        raise Invalid.field("end_time", BAD_SPAN)
    first, last = values.get("valid_from"), values.get("valid_until")
    if first is not None and last is not None and last < first:
        raise Invalid.field("valid_until", BAD_END)


def with_quantities(given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent with both quantities: a type's own where none was named. Raises Invalid for any other.

    `before` is the promotion as it stands, empty for a new one.
    """
    kind = given.get("promotion_type", before.get("promotion_type"))
    named = {name: given[name] for name in ("buy_quantity", "pay_quantity") if given.get(name) is not None}
    if kind in PRESETS:
        own = dict(zip(("buy_quantity", "pay_quantity"), PRESETS[kind], strict=True))
        wrong = {name: [f"A {kind} promotion has {own[name]} here."] for name in named if named[name] != own[name]}
    else:
        kept = {name: before[name] for name in ("buy_quantity", "pay_quantity") if name in before}
        own = kept | named
        wrong = {name: [NEEDED] for name in ("buy_quantity", "pay_quantity") if name not in own}
    if wrong:
        raise Invalid(wrong)
    if own["pay_quantity"] >= own["buy_quantity"]:
        raise Invalid.field("pay_quantity", BAD_PAY)
    return {**given, **own}


def state_of(start: dt.datetime, end: dt.datetime, now: dt.datetime) -> str:
    """pending, active or expired; both ends are active."""
    if now < start:
        return "pending"
    return "active" if now <= end else "expired"
