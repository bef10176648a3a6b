"""What a field takes and what becomes of it, by tables and by search; what is taken, PostgreSQL stores."""

import datetime as dt
import json
import math
import time
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import Meta
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Invalid
from app.http.body import Input, build
from app.http.fields import (
    CONVERTERS,
    INT4_MAX,
    INT8_MAX,
    Count,
    Email,
    FieldError,
    Id,
    Money,
    Name,
    Password,
    Percent,
    Quantity,
    Text,
    refuse_unstorable,
)
from app.http.geo import GeoPoint
from app.server import Relampago

Adjustment = Annotated[Decimal, Meta(extra={"digits": 10, "places": 2})]
KINDS: dict[str, Any] = {
    "id": Id, "count": Count, "quantity": Quantity, "money": Money, "percent": Percent, "name": Name, "text": Text,
    "email": Email, "password": Password, "bool": bool, "at": dt.datetime, "day": dt.date, "hour": dt.time,
    "uuid": UUID,
    "json": Any, "adjustment": Adjustment, "place": GeoPoint,
}  # fmt: skip
MODELS: dict[str, type[Input]] = {
    name: type(f"Of{name.title()}", (Input,), {"__annotations__": {"value": kind}}) for name, kind in KINDS.items()
}
REFUSED = object()
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def read(kind: str, value: Any) -> Any:
    """What becomes of a value, or REFUSED."""
    try:
        found: Any = build(MODELS[kind], {"value": value})
    except Invalid as error:
        return REFUSED if list(error.body()) == ["value"] else error.body()
    return found.value


UTC = dt.UTC
TABLE: list[tuple[str, Any, Any]] = [
    *[(kind, value, REFUSED) for kind in KINDS if kind != "json" for value in ([], {}, "\x00")],
    *[(kind, None, REFUSED) for kind in KINDS],
    # whole numbers
    *[(kind, value, REFUSED) for kind in ("id", "count", "quantity") for value in
      (True, False, 1.0, "1.0", "1_0", "", " ", "x", "0x1", "1e3", "\u0661", "\uff11", "\u00b2", math.nan, math.inf,
      -1, "--1")],
    ("id", 0, REFUSED), ("id", 1, 1), ("id", "7", 7), ("id", " 7 ", 7), ("id", "+7", 7), ("id", "007", 7),
    ("id", INT8_MAX, INT8_MAX), ("id", INT8_MAX + 1, REFUSED), ("id", "9" * 40, REFUSED), ("id", "9" * 41, REFUSED),
    ("count", 0, 0), ("count", INT4_MAX, INT4_MAX), ("count", INT4_MAX + 1, REFUSED), ("quantity", 0, REFUSED),
    # numbers with places
    *[("money", value, REFUSED) for value in
      ("NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "inf", math.nan, math.inf, -math.inf, True, "", " ", ".",
      "+", "-", "1e2",
       "1E+1000000", "1_0", "\u0661", "1,5", "0.001", "1.000", 0.001, "-0.01", -1, "100000000", 1e8, 1e300, 10**30,
       "0x1",
       "1 0", "1.5.5", "$1", "12345678.901")],
    ("money", "0", Decimal("0.00")), ("money", "-0", REFUSED), ("money", "-0.00", REFUSED),
    ("money", -0.0, REFUSED), ("adjustment", "-0", Decimal("0.00")),
    ("money", 10, Decimal("10.00")), ("money", "10.5", Decimal("10.50")),
    ("money", 10.5, Decimal("10.50")), ("money", 19.99, Decimal("19.99")), ("money", ".5", Decimal("0.50")),
    ("money", "5.", Decimal("5.00")), ("money", " 5 ", Decimal("5.00")), ("money", "+5", Decimal("5.00")),
    ("money", "99999999.99", Decimal("99999999.99")), ("money", "000000000000005.00", Decimal("5.00")),
    ("money", 1e-7, REFUSED), ("adjustment", "-5.25", Decimal("-5.25")), ("adjustment", "-100000000", REFUSED),
    ("percent", "100", Decimal("100.00")), ("percent", "100.01", REFUSED), ("percent", "-1", REFUSED),
    # text
    ("name", "  Ana  ", "Ana"), ("name", "   ", REFUSED), ("name", "", REFUSED), ("name", 5, "5"),
    ("name", True, REFUSED),
    ("name", "x" * 200, "x" * 200), ("name", "x" * 201, REFUSED), ("name", "a\ud800b", REFUSED),
    ("name", "a\x00", REFUSED),
    ("name", "\u202eevil\u200b", "\u202eevil\u200b"), ("name", "{{7*7}}", "{{7*7}}"), ("name", "a\r\nb", "a\r\nb"),
    ("text", "", ""), ("text", "x" * 20_001, REFUSED), ("password", "  x  ", "  x  "),
    ("password", "x" * 1025, REFUSED),
    ("email", "a@example.com", "a@example.com"), ("email", "a@b", REFUSED), ("email", "a b@example.com", REFUSED),
    ("email", "a@example.com\r\nBcc: b@example.com", REFUSED), ("email", "@example.com", REFUSED),
    ("email", "a@-x.com", REFUSED),
    ("email", "x" * 65 + "@example.com", REFUSED), ("email", "\u00e1@example.com", REFUSED),
    ("email", "a@b@c.com", REFUSED),
    # yes and no
    *[("bool", value, True) for value in (True, "true", "True", "1", 1, "on", "yes")],
    *[("bool", value, False) for value in (False, "false", "False", "0", 0, "off", "no")],
    *[("bool", value, REFUSED) for value in ("maybe", 2, "", "\u0661", 1.5)],
    # times
    ("at", "2026-01-02T03:04:05Z", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ("at", "2026-01-02 03:04", dt.datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
    ("at", "2026-01-02T03:04:05.123456-03:00", dt.datetime(2026, 1, 2, 6, 4, 5, 123456, tzinfo=UTC)),
    ("at", "2026-01-02T03:04:05+0530", dt.datetime(2026, 1, 1, 21, 34, 5, tzinfo=UTC)),
    *[("at", value, REFUSED) for value in
      ("2026-01-02", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z",
      "9999-12-31T23:59:59-12:00",
       "10000-01-01T00:00:00Z", "2026-01-02T25:00:00Z", "2026-01-02T03:04:05+99:99", "now", 1767323045, "infinity",
       "epoch",
       "\u0662026-01-02T03:04:05Z", "2026-W01-1T00:00:00Z")],
    ("day", "2026-02-28", dt.date(2026, 2, 28)), ("day", "2026-02-29", REFUSED), ("day", "20260228", REFUSED),
    ("day", "0000-01-01", REFUSED), ("day", "infinity", REFUSED),
    ("hour", "08:30", dt.time(8, 30)), ("hour", "24:00", REFUSED),
    ("hour", "08:30:15.5", dt.time(8, 30, 15, 500_000)),
    ("hour", "8:30", REFUSED), ("hour", "08:30+03:00", REFUSED),
    # identifiers
    ("uuid", "6F1C2B34-0000-4000-8000-000000000000", UUID("6f1c2b34-0000-4000-8000-000000000000")),
    ("uuid", "6f1c2b34000040008000000000000000", UUID("6f1c2b34-0000-4000-8000-000000000000")),
    *[("uuid", value, REFUSED) for value in
      ("", "x", "{6f1c2b34-0000-4000-8000-000000000000}", "urn:uuid:6f1c2b34-0000-4000-8000-000000000000", 5,
      "1" * 31)],
    # JSON
    ("json", {"a": [1, "b", None, 1.5]}, {"a": [1, "b", None, 1.5]}), ("json", "", ""),
    ("json", {"a\x00": 1}, REFUSED),
    ("json", {"a": {"b": ["\ud800"]}}, REFUSED), ("json", [math.nan], REFUSED), ("json", math.inf, REFUSED),
    # places
    ("place", {"lat": -34.6, "lon": -58.4}, GeoPoint(lat=-34.6, lon=-58.4)),
    ("place", {"type": "Point", "coordinates": [-58.4, -34.6]}, GeoPoint(lat=-34.6, lon=-58.4)),
    ("place", {"lat": 90, "lon": -180}, GeoPoint(lat=90.0, lon=-180.0)),
    *[("place", value, REFUSED) for value in (
        {"lat": 90.01, "lon": 0}, {"lat": 0, "lon": 180.01}, {"lat": True, "lon": 0}, {"lat": "1", "lon": "2"},
        {"lat": 1},
        {"lat": math.nan, "lon": 0}, {"lat": 10**400, "lon": 0}, {"type": "Point"}, {"type": "Point",
        "coordinates": [1]},
        {"type": "Point", "coordinates": [1, 2, 3]}, {"type": "Polygon", "coordinates": [1, 2]}, "POINT(1 2)", [1, 2],
        {"type": "Point", "coordinates": "12"}, {"type": "Point", "coordinates": {"0": 1, "1": 2}})],
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "expected"), TABLE)
def test_what_becomes_of_a_value(kind: str, value: Any, expected: Any) -> None:
    found = read(kind, value)
    assert (type(found), found) == (type(expected), expected)
    if isinstance(expected, Decimal):
        assert (found.as_tuple(), found.is_signed()) == (expected.as_tuple(), expected.is_signed())


@pytest.mark.parametrize("kind", KINDS)
@given(value=anything)
def test_anything_is_taken_or_refused_and_never_breaks(kind: str, value: Any) -> None:
    read(kind, value)


def test_nesting_is_bounded() -> None:
    deep: Any = "x"
    for _ in range(33):
        deep = [deep]
    assert read("json", deep) is REFUSED
    assert read("json", deep[0]) == deep[0]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("1.234", "Ensure that there are no more than 2 decimal places."),
        ("12345678901", "Ensure that there are no more than 10 digits in total."),
        ("123456789", "Ensure that there are no more than 8 digits before the decimal point."),
        ("-1", "Ensure this value is greater than or equal to 0."),
        ("x", "A valid number is required."),
    ],
)
def test_a_number_is_told_what_is_wrong_with_it(written: str, message: str) -> None:
    with pytest.raises(FieldError) as caught:
        CONVERTERS[Decimal](written, Money.__metadata__[0])  # type: ignore[attr-defined]
    assert caught.value.messages == [message]


numbers = (
    st.decimals(allow_nan=True, allow_infinity=True) | st.floats() | st.integers() | st.text("0123456789.+-eENaInf_ ")
)


@given(value=numbers)
@example(value="sNaN")
@example(value=Decimal("-0E-5"))
def test_no_accepted_number_leaves_its_column(value: Any) -> None:
    for kind, top in (("money", Decimal("99999999.99")), ("percent", Decimal(100))):
        found = read(kind, value)
        if found is not REFUSED:
            assert isinstance(found, Decimal)
            assert found.is_finite()
            assert Decimal(0) <= found <= top
            assert found.as_tuple().exponent == -2
            assert not found.is_signed()


QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
hostile = st.text(
    st.characters(codec=None) | st.sampled_from("\x00\ud800\udfff\u202e\ufeff\u200b'\"\\%_\r\n\x1b"), max_size=60
)


@QUIET
@given(values=st.lists(hostile, max_size=20))
async def test_accepted_text_is_stored_as_it_is(db: AsyncSession, probe_app: Relampago, values: list[str]) -> None:
    for kind in ("name", "text", "password"):
        taken = [found for value in values if (found := read(kind, value)) is not REFUSED]
        for found in taken:
            back = await db.execute(text("INSERT INTO probe (content) VALUES (:v) RETURNING content"), {"v": found})
            assert back.scalar_one() == found
    await db.rollback()


@QUIET
@given(values=st.lists(anything, max_size=5))
async def test_accepted_json_is_stored(db: AsyncSession, probe_app: Relampago, values: list[Any]) -> None:
    for value in values:
        found = read("json", value)
        if found is not REFUSED and found is not None:
            statement = text("INSERT INTO probe (data) VALUES (CAST(:v AS jsonb))")
            await db.execute(statement, {"v": json.dumps(found)})
    await db.rollback()


@QUIET
@given(values=st.lists(numbers, max_size=20))
async def test_accepted_numbers_are_stored_as_they_are(
    db: AsyncSession, probe_app: Relampago, values: list[Any]
) -> None:
    columns = {"money": "price", "percent": "percent", "id": "big", "count": "small"}
    for kind, column in columns.items():
        for found in (read(kind, value) for value in values):
            if found is not REFUSED:
                statement = text(f"INSERT INTO probe ({column}) VALUES (:v) RETURNING {column}")
                assert (await db.execute(statement, {"v": found})).scalar_one() == found
    await db.rollback()


@QUIET
@given(value=st.datetimes(timezones=st.timezones() | st.none()))
async def test_accepted_times_are_stored_as_they_are(
    db: AsyncSession, probe_app: Relampago, value: dt.datetime
) -> None:
    found = read("at", value.isoformat())
    if found is not REFUSED:
        back = await db.execute(text("INSERT INTO probe (at) VALUES (:v) RETURNING at"), {"v": found})
        assert back.scalar_one() == found
        # Of a zone whose clocks were set back then, Python calls no two equal instants equal.
        assert found == (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))
    await db.rollback()


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_a_place_comes_back_from_the_database_form(lat: float, lon: float) -> None:
    point = GeoPoint.checked(lat, lon)
    assert point.ewkt == f"SRID=4326;POINT({lon!r} {lat!r})"
    assert point.geojson.coordinates == (lon, lat)


def test_a_long_text_is_looked_through_at_once() -> None:
    """Letter by letter these took 250 ms of the event loop. The machine may be busy: the fastest counts."""
    for long in ("x" * (9 << 20), "\u00f1" * (4 << 20)):
        times = []
        for _ in range(3):
            begun = time.process_time()
            refuse_unstorable(long)
            times.append(time.process_time() - begun)
        assert min(times) < 0.05
