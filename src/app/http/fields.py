"""The types that a request's fields may have, each bounded, and how a raw value becomes one.

Shapes and messages are those of Django REST Framework's serializers, which today's clients read. No value leaves this
module that PostgreSQL could refuse: no NUL, no lone surrogate, no NaN, no number beyond its column.
"""

import datetime as dt
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

INT4_MAX = 2**31 - 1
INT8_MAX = 2**63 - 1
JSON_DEPTH = 32
# A number with a point or an exponent is kept as it is written: a float would round it before it could be refused.
EXACT_JSON = msgspec.json.Decoder(float_hook=Decimal)

Id = Annotated[int, Meta(ge=1, le=INT8_MAX)]
Count = Annotated[int, Meta(ge=0, le=INT4_MAX)]
Quantity = Annotated[int, Meta(ge=1, le=INT4_MAX)]
Money = Annotated[Decimal, Meta(extra={"digits": 10, "places": 2, "min": Decimal(0)})]
Percent = Annotated[Decimal, Meta(extra={"digits": 5, "places": 2, "min": Decimal(0), "max": Decimal(100)})]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=20_000)]
Email = Annotated[str, Meta(min_length=1, max_length=254, extra={"email": True}, extra_json_schema={"format": "email"})]
Password = Annotated[
    str, Meta(min_length=1, max_length=1024, extra={"trim": False}, extra_json_schema={"format": "password"})
]

REQUIRED = "This field is required."
NULL = "This field may not be null."
BLANK = "This field may not be blank."
BAD_INTEGER = "A valid integer is required."
BAD_NUMBER = "A valid number is required."
BAD_BOOLEAN = "Must be a valid boolean."
BAD_TEXT = "Not a valid string."
BAD_UUID = "Must be a valid UUID."
BAD_EMAIL = "Enter a valid email address."
NUL = "Null characters are not allowed."
SURROGATE = "Surrogate characters are not allowed."
BAD_DATETIME = (
    "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]."
)
BAD_DATE = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
BAD_TIME = "Time has wrong format. Use one of these formats instead: hh:mm[:ss[.uuuuuu]]."

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{0,40}(\.[0-9]{0,40})?", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,6}\d*)?)?\s?([Zz]|[+-]\d\d(:?\d\d)?)?", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+",
    re.ASCII,
)
# A day's room at both ends, so that no change of zone leaves the calendar that PostgreSQL and Python share.
_FIRST_YEAR, _LAST_YEAR = 2, 9998


class FieldError(ValueError):
    """Why a value is refused; `args[0]` is the message or, for nested input, a map or list of messages."""

    @property
    def messages(self) -> Any:
        return [self.args[0]] if isinstance(self.args[0], str) else self.args[0]


def convert_text(value: Any, meta: Meta | None) -> str:
    """Text without NUL and lone surrogates, trimmed unless told otherwise, within its lengths."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise FieldError(BAD_TEXT)
    text = value if isinstance(value, str) else str(value)
    extra = (meta.extra if meta else None) or {}
    if extra.get("trim", True):
        text = text.strip()
    refuse_unstorable(text)
    if meta is None:
        return text
    if not text and (meta.min_length or 0) > 0:
        raise FieldError(BLANK)
    if meta.min_length and len(text) < meta.min_length:
        raise FieldError(f"Ensure this field has at least {meta.min_length} characters.")
    if meta.max_length is not None and len(text) > meta.max_length:
        raise FieldError(f"Ensure this field has no more than {meta.max_length} characters.")
    if extra.get("email") and text and not _EMAIL.fullmatch(text):
        raise FieldError(BAD_EMAIL)
    return text


def refuse_unstorable(text: str) -> None:
    """Raises FieldError for what PostgreSQL's UTF-8 text cannot hold."""
    if "\x00" in text:
        raise FieldError(NUL)
    if not text.isascii() and _SURROGATE.search(text):
        raise FieldError(SURROGATE)


def convert_int(value: Any, meta: Meta | None) -> int:
    """A whole number from JSON or from plain ASCII digits, never beyond 64 bits."""
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise FieldError(BAD_INTEGER)
    low = meta.ge if meta and meta.ge is not None else -INT8_MAX
    high = meta.le if meta and meta.le is not None else INT8_MAX
    _within(number, low, high)
    return number


def convert_decimal(value: Any, meta: Meta | None) -> Decimal:
    """A finite number with at most `digits` digits and `places` places as it is written; never rounded."""
    number = _decimal(value)
    extra = (meta.extra if meta else None) or {}
    digits, places = int(extra.get("digits", 10)), int(extra.get("places", 2))
    written = number.as_tuple()
    after_point = max(-int(written.exponent), 0)
    before_point = max(len(written.digits) + int(written.exponent), 0)
    if before_point + after_point > digits:
        raise FieldError(f"Ensure that there are no more than {digits} digits in total.")
    if after_point > places:
        raise FieldError(f"Ensure that there are no more than {places} decimal places.")
    if before_point > digits - places:
        raise FieldError(f"Ensure that there are no more than {digits - places} digits before the decimal point.")
    low = extra.get("min")
    # A zero below zero equals zero, so comparing does not find it.
    if low == 0 and number.is_signed():
        raise FieldError(f"Ensure this value is greater than or equal to {low}.")
    _within(number, low, extra.get("max"))
    return number.quantize(Decimal(1).scaleb(-places)) + 0  # the sum has no negative zero


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise FieldError(BAD_NUMBER)
    if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
        raise FieldError(BAD_NUMBER)
    if isinstance(value, Decimal):
        return value
    text = format(Decimal(str(value)), "f") if isinstance(value, float) else str(value).strip()
    if not _NUMBER.fullmatch(text) or not any(char.isdigit() for char in text):
        raise FieldError(BAD_NUMBER)
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise FieldError(BAD_NUMBER) from error


def _within(number: Any, low: Any, high: Any) -> None:
    if low is not None and number < low:
        raise FieldError(f"Ensure this value is greater than or equal to {low}.")
    if high is not None and number > high:
        raise FieldError(f"Ensure this value is less than or equal to {high}.")


def convert_bool(value: Any, _meta: Meta | None) -> bool:
    if value is True or value is False:
        return bool(value)
    if isinstance(value, str) and value.strip() in {"true", "True", "TRUE", "1", "on", "yes"}:
        return True
    if isinstance(value, str) and value.strip() in {"false", "False", "FALSE", "0", "off", "no"}:
        return False
    if isinstance(value, int) and value in (0, 1):
        return value == 1
    raise FieldError(BAD_BOOLEAN)


def convert_datetime(value: Any, _meta: Meta | None) -> dt.datetime:
    """An instant in UTC; text without an offset is read as UTC."""
    if not isinstance(value, str) or not _DATETIME.fullmatch(value.strip()):
        raise FieldError(BAD_DATETIME)
    try:
        moment = dt.datetime.fromisoformat(value.strip().upper().replace(" ", "T", 1))
    except ValueError as error:
        raise FieldError(BAD_DATETIME) from error
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise FieldError(BAD_DATETIME)
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def convert_date(value: Any, _meta: Meta | None) -> dt.date:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip()):
        raise FieldError(BAD_DATE)
    try:
        return dt.date.fromisoformat(value.strip())
    except ValueError as error:
        raise FieldError(BAD_DATE) from error


def convert_time(value: Any, _meta: Meta | None) -> dt.time:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?", value.strip()):
        raise FieldError(BAD_TIME)
    try:
        return dt.time.fromisoformat(value.strip())
    except ValueError as error:
        raise FieldError(BAD_TIME) from error


def convert_uuid(value: Any, _meta: Meta | None) -> UUID:
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or not re.fullmatch(
        r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}", value
    ):
        raise FieldError(BAD_UUID)
    return UUID(value)


def convert_json(value: Any, _meta: Meta | None, depth: int = 0) -> Any:
    """Any JSON value that jsonb can hold: bounded depth, no NUL, no lone surrogate, numbers that a float can be."""
    if depth > JSON_DEPTH:
        raise FieldError("This value is nested too deeply.")
    if isinstance(value, str):
        refuse_unstorable(value)
    elif isinstance(value, float | Decimal):
        number = float(value) if Decimal(value).is_finite() else math.nan
        if not math.isfinite(number) or (number == 0) != (value == 0):
            raise FieldError(BAD_NUMBER)
        return number
    elif isinstance(value, dict):
        for key in value:
            refuse_unstorable(str(key))
        return {key: convert_json(item, None, depth + 1) for key, item in value.items()}
    elif isinstance(value, list):
        return [convert_json(item, None, depth + 1) for item in value]
    return value


Converter = Callable[[Any, Meta | None], Any]
CONVERTERS: dict[Any, Converter] = {
    str: convert_text,
    int: convert_int,
    Decimal: convert_decimal,
    bool: convert_bool,
    dt.datetime: convert_datetime,
    dt.date: convert_date,
    dt.time: convert_time,
    UUID: convert_uuid,
    Any: convert_json,
    dict: convert_json,
}
