from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import Profile, User
from app.settings import Settings
from tests.factories import bearer, make_user

ME = "/api/auth/me/"
ADMIN = "/api/auth/verify-admin/"
OBELISCO = {"lat": -34.603722, "lon": -58.381592}
RANGE = "Longitude is from -180 to 180, latitude from -90 to 90, and GeoJSON has the longitude first."
POINT = 'Enter a point: {"type": "Point", "coordinates": [longitude, latitude]} or {"lat": ..., "lon": ...}.'
CODE_NEEDED = "Para cambiar el email hace falta un código de verificación válido"


async def stored(db: AsyncSession, user: User) -> tuple[Any, ...]:
    """Everything that a profile's update may touch, and what it may not."""
    await db.commit()
    statement = select(
        User.username,
        User.email,
        User.first_name,
        User.last_name,
        User.is_staff,
        User.is_superuser,
        User.is_active,
        User.email_verified,
        User.token_version,
        User.admin_notes,
        User.dni,
        func.ST_AsText(Profile.location),
    ).outerjoin(Profile, Profile.user_id == User.id)
    return tuple((await db.execute(statement.where(User.id == user.id))).one())


@pytest.fixture
async def user(db: AsyncSession) -> User:
    return await make_user(
        db, username="ana", email="Ana@example.com", first_name="Ana", last_name="Paz", location=(-34.6, -58.4)
    )


@pytest.fixture
def headers(settings: Settings, user: User) -> dict[str, str]:
    return bearer(settings, user)


def me(user: User, **changed: Any) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": "ana",
        "email": "Ana@example.com",
        "first_name": "Ana",
        "last_name": "Paz",
        "is_staff": False,
        "is_superuser": False,
        "location": {"lat": -34.6, "lon": -58.4},
    } | changed


async def test_me_shows_the_caller(client: httpx.AsyncClient, user: User, headers: dict[str, str]) -> None:
    answer = await client.get(ME, headers=headers)
    assert (answer.status_code, answer.json()) == (200, me(user))


async def test_a_put_changes_what_it_names(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    before = await stored(db, user)
    answer = await client.put(ME, headers=headers, json={"first_name": "  Anita ñ "})
    assert (answer.status_code, answer.json()) == (200, me(user, first_name="Anita ñ"))
    assert await stored(db, user) == (*before[:2], "Anita ñ", *before[3:])
    assert (await client.get(ME, headers=headers)).json() == me(user, first_name="Anita ñ")


async def test_an_empty_put_changes_nothing(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    before = await stored(db, user)
    answer = await client.put(ME, headers=headers, json={})
    assert (answer.status_code, answer.json()) == (200, me(user))
    assert await stored(db, user) == before


async def test_a_name_may_be_emptied(client: httpx.AsyncClient, user: User, headers: dict[str, str]) -> None:
    answer = await client.put(ME, headers=headers, data={"first_name": "", "last_name": ""})
    assert (answer.status_code, answer.json()) == (200, me(user, first_name="", last_name=""))


async def test_what_is_not_the_users_to_write_is_ignored(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    before = await stored(db, user)
    body = {
        "id": 1,
        "username": "root",
        "is_staff": True,
        "is_superuser": True,
        "is_active": False,
        "email_verified": False,
        "admin_notes": "x",
        "dni": "1",
        "token_version": 9,
        "password": "otra-clave-larga",
        "date_joined": "2000-01-01",
        "segments_override": ["new"],
    }
    answer = await client.put(ME, headers=headers, json=body)
    assert (answer.status_code, answer.json()) == (200, me(user))
    assert await stored(db, user) == before


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (OBELISCO, OBELISCO),
        ({"type": "Point", "coordinates": [-58.381592, -34.603722]}, OBELISCO),
        ({"lat": 90, "lon": -180}, {"lat": 90.0, "lon": -180.0}),
        ({"lat": 0, "lon": 1e-7}, {"lat": 0.0, "lon": 1e-7}),
        ({"lat": -0.0, "lon": 0.1234567890123}, {"lat": 0.0, "lon": 0.1234567890123}),
        (None, None),
    ],
)
async def test_a_location_is_stored_and_shown(
    client: httpx.AsyncClient, user: User, headers: dict[str, str], sent: Any, shown: Any
) -> None:
    answer = await client.put(ME, headers=headers, json={"location": sent})
    assert (answer.status_code, answer.json()) == (200, me(user, location=shown))
    assert (await client.get(ME, headers=headers)).json()["location"] == shown


async def test_a_location_without_a_profile_row_makes_one(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    await db.execute(delete(Profile))
    await db.commit()
    assert (await client.get(ME, headers=headers)).json() == me(user, location=None)
    assert (await client.put(ME, headers=headers, json={"location": OBELISCO})).json()["location"] == OBELISCO


@pytest.mark.parametrize(
    "bad",
    [
        ("", POINT),
        ("POINT(1 2)", POINT),
        ([1, 2], POINT),
        (5, POINT),
        ({}, POINT),
        ({"lat": 1}, POINT),
        ({"lat": "1", "lon": "2"}, POINT),
        ({"lat": True, "lon": False}, POINT),
        ({"lat": None, "lon": 1}, POINT),
        ({"lat": [1], "lon": 1}, POINT),
        ({"lat": 90.0001, "lon": 0}, RANGE),
        ({"lat": 0, "lon": 180.0001}, RANGE),
        ({"lat": -91, "lon": 0}, RANGE),
        ({"lat": 1e308, "lon": 0}, RANGE),
        ({"lat": 10**400, "lon": 0}, RANGE),
        ({"type": "Point", "coordinates": [-34.6, -118.4]}, RANGE),
        ({"type": "Point", "coordinates": [1]}, POINT),
        ({"type": "Point", "coordinates": [1, 2, 3]}, POINT),
        ({"type": "Point", "coordinates": "12"}, POINT),
        ({"type": "Point"}, POINT),
        ({"type": "Polygon", "coordinates": [1, 2]}, POINT),
        ({"coordinates": [1, 2]}, POINT),
    ],
)
async def test_a_bad_location_changes_nothing(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], bad: tuple[Any, str]
) -> None:
    location, message = bad
    before = await stored(db, user)
    answer = await client.put(ME, headers=headers, json={"first_name": "X", "location": location})
    assert (answer.status_code, answer.json()) == (400, {"location": [message]})
    assert await stored(db, user) == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1E+1000000", "01", "0x10", "--1"])
async def test_a_number_that_json_does_not_have_changes_nothing(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], number: str
) -> None:
    before = await stored(db, user)
    raw = f'{{"first_name": "X", "location": {{"lat": {number}, "lon": 0}}}}'
    answer = await client.put(ME, headers=headers | {"Content-Type": "application/json"}, content=raw)
    assert answer.status_code == 400
    assert list(answer.json()) in (["detail"], ["location"])
    assert await stored(db, user) == before


@pytest.mark.parametrize("email", ["Ana@example.com", "ana@EXAMPLE.com", "ANA@EXAMPLE.COM"])
async def test_the_same_email_is_no_change(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], email: str
) -> None:
    before = await stored(db, user)
    answer = await client.put(ME, headers=headers, json={"email": email, "verification_code": ""})
    assert (answer.status_code, answer.json()) == (200, me(user))
    assert await stored(db, user) == before


@pytest.mark.parametrize("code", [{}, {"verification_code": ""}, {"verification_code": "123456"}])
async def test_another_email_needs_a_good_code(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], code: dict[str, str]
) -> None:
    before = await stored(db, user)
    body = {"first_name": "X", "email": "other@example.com", "location": None} | code
    answer = await client.put(ME, headers=headers, json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": CODE_NEEDED})
    assert await stored(db, user) == before


@pytest.mark.parametrize(
    "body",
    [
        {"first_name": None},
        {"first_name": "x" * 151},
        {"first_name": "x" * 1_000_000},
        {"first_name": "a\0b"},
        {"last_name": ["x"]},
        {"last_name": {"a": 1}},
        {"email": "no-address"},
        {"email": ""},
        {"email": None},
        {"email": "a@b.com\r\nBcc: x@y.com"},
        {"email": "x" * 300 + "@example.com"},
        {"verification_code": "1" * 33},
        {"verification_code": {"$ne": ""}},
    ],
)
async def test_bad_fields_are_named_and_nothing_changes(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], body: dict[str, Any]
) -> None:
    before = await stored(db, user)
    answer = await client.put(ME, headers=headers, json=body)
    assert (answer.status_code, list(answer.json())) == (400, list(body))
    assert await stored(db, user) == before


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "%00", "<script>", "\u202etxt", "zero\u200bwidth", "🌱", "'; DROP TABLE x"]
)
async def test_strange_text_is_stored_as_it_is(client: httpx.AsyncClient, headers: dict[str, str], text: str) -> None:
    answer = await client.put(ME, headers=headers, json={"first_name": text})
    assert (answer.status_code, answer.json()["first_name"]) == (200, text)


async def test_a_lone_surrogate_is_refused(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    before = await stored(db, user)
    raw = b'{"first_name": "\\ud800"}'
    answer = await client.put(ME, headers=headers | {"Content-Type": "application/json"}, content=raw)
    assert answer.status_code == 400
    assert await stored(db, user) == before


@pytest.mark.parametrize("path", [ME, ADMIN])
async def test_a_caller_without_credentials_is_401(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Authentication credentials were not provided."})


@pytest.mark.parametrize("flags", [{"is_staff": True}, {"is_superuser": True}])
async def test_an_admin_is_told_so(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, flags: dict[str, bool]
) -> None:
    user = await make_user(db, **flags)
    answer = await client.get(ADMIN, headers=bearer(settings, user))
    assert answer.status_code == 200
    assert answer.json() == {
        "is_admin": True,
        "is_staff": True,
        "username": user.username,
        "message": "User has admin permissions",
    }


async def test_anybody_else_gets_a_403_of_its_own(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get(ADMIN, headers=headers)
    assert answer.status_code == 403
    assert answer.json() == {"is_admin": False, "is_staff": False, "message": "User is not an administrator"}
