"""Registration: its three answers, and who gets which."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import Profile, RefreshToken, User, VerificationCode
from app.domain.accounts.service.passwords import Passwords
from app.domain.activity.models import ActivityLog
from tests.accounts.conftest import Jobs, Mailed, said
from tests.factories import make_user

REGISTER = "/api/auth/register/"
PASSWORD = "una-clave-larga"
CREATED = "Usuario registrado. Por favor verifica tu email para activar tu cuenta."
RESENT = "Ya existe una cuenta con este email o usuario sin validar. Te reenviamos el código de verificación."
EMAIL_TAKEN = (400, {"error": ["Este email ya está registrado"]})
NAME_TAKEN = (400, {"error": ["Este nombre de usuario ya está en uso"]})
UNVERIFIED = {"is_active": False, "email_verified": False}


def form(**changed: Any) -> dict[str, Any]:
    return {
        "username": "ana",
        "password": PASSWORD,
        "password2": PASSWORD,
        "email": "Ana@Example.com",
        "first_name": "Ana",
        "last_name": "Paz",
    } | changed


async def register(client: httpx.AsyncClient, **changed: Any) -> tuple[int, Any]:
    return said(await client.post(REGISTER, json=form(**changed)))


async def counts(db: AsyncSession) -> tuple[int, int, int]:
    """Users, codes, entries of the log."""
    await db.commit()
    tables = (User, VerificationCode, ActivityLog)
    return tuple([(await db.execute(select(func.count()).select_from(table))).scalar_one() for table in tables])  # type: ignore[return-value]


@pytest.mark.parametrize("path", [REGISTER, REGISTER.rstrip("/")])
async def test_an_account_is_made_that_waits_for_its_code(
    client: httpx.AsyncClient, db: AsyncSession, mailed: Mailed, jobs: Jobs, path: str
) -> None:
    answer = await client.post(path, json=form())
    user = (await db.execute(select(User))).scalar_one()
    assert said(answer) == (201, {"message": CREATED, "user_id": user.id, "email": "Ana@example.com"})
    assert (user.username, user.email, user.first_name, user.last_name) == ("ana", "Ana@example.com", "Ana", "Paz")
    assert (user.is_active, user.email_verified, user.blocked_at, user.token_version) == (False, False, None, 0)
    assert await Passwords().matches(PASSWORD, user.password_hash)
    assert (await db.execute(select(Profile.user_id))).scalar_one() == user.id
    code = await mailed(user)
    assert (code.purpose, code.email, code.username) == ("EMAIL_VERIFICATION", "Ana@example.com", "ana")
    assert await jobs() == [("send_code_mail", {"code_id": code.id})]


async def test_a_registration_is_logged_with_its_address(client: httpx.AsyncClient, db: AsyncSession) -> None:
    _, body = await register(client)
    entry = (await db.execute(select(ActivityLog))).scalar_one()
    assert (entry.user_id, entry.action, entry.content_type) == (body["user_id"], "register", "user")
    assert (entry.object_id, str(entry.ip_address), entry.changes) == (str(body["user_id"]), "127.0.0.1", {})


async def test_a_form_is_taken_like_json(client: httpx.AsyncClient) -> None:
    answer = await client.post(REGISTER, data=form())
    assert answer.status_code == 201


@pytest.mark.parametrize("email", ["Ana@example.com", "ana@EXAMPLE.com", "ANA@EXAMPLE.COM"])
@pytest.mark.parametrize("username", ["ana", "other"])
async def test_an_account_without_its_proof_gets_another_code_and_nothing_else_of_the_form(
    client: httpx.AsyncClient, db: AsyncSession, mailed: Mailed, username: str, email: str
) -> None:
    user = await make_user(db, username="ana", email="Ana@example.com", first_name="Anita", **UNVERIFIED)
    before = await counts(db)
    answer = await register(client, username=username, email=email, password="otra-clave", password2="otra-clave")
    assert answer == (200, {"message": RESENT, "user_id": user.id, "email": "Ana@example.com", "resend": True})
    assert await counts(db) == (before[0], before[1] + 1, before[2])
    stored = (await db.execute(select(User).execution_options(populate_existing=True))).scalar_one()
    assert (stored.username, stored.first_name, stored.password_hash) == ("ana", "Anita", user.password_hash)
    assert (await mailed(user)).email == "Ana@example.com"


@pytest.mark.parametrize("state", ["active", "blocked", "blocked unverified", "deactivated"])
async def test_an_email_that_belongs_to_somebody_is_refused(
    client: httpx.AsyncClient, db: AsyncSession, state: str
) -> None:
    user = await make_user(db, username="somebody", email="ana@example.com")
    states: dict[str, Any] = {
        "active": {},
        "blocked": {"is_active": False, "blocked_at": func.now()},
        "blocked unverified": {"is_active": False, "blocked_at": func.now(), "email_verified": False},
        "deactivated": {"is_active": False},
    }
    await db.execute(update(User).where(User.id == user.id).values({"username": "somebody"} | states[state]))
    await db.commit()
    before = await counts(db)
    assert await register(client) == EMAIL_TAKEN
    assert await register(client, username="somebody") == EMAIL_TAKEN
    assert await counts(db) == before


@pytest.mark.parametrize("state", [{}, UNVERIFIED], ids=["active", "unverified"])
async def test_a_name_that_is_taken_with_another_email_is_refused_and_nothing_is_sent(
    client: httpx.AsyncClient, db: AsyncSession, jobs: Jobs, state: dict[str, Any]
) -> None:
    """A05: somebody who registers `ana` with an address of their own gets neither a code nor an account."""
    await make_user(db, username="ana", email="a@x.com", **state)
    before = await counts(db)
    assert await register(client, email="b@y.com") == NAME_TAKEN
    assert await counts(db) == before
    assert await jobs() == []


async def test_name_and_email_of_two_accounts_without_proof_are_refused(
    client: httpx.AsyncClient, db: AsyncSession, jobs: Jobs
) -> None:
    await make_user(db, username="ana", email="a@x.com", **UNVERIFIED)
    await make_user(db, username="bea", email="b@y.com", **UNVERIFIED)
    assert await register(client, username="ana", email="b@y.com") == NAME_TAKEN
    assert await jobs() == []


BLANK, NEEDED = "This field may not be blank.", "This field is required."
SHORT = "This password is too short. It must contain at least 8 characters."
NAMES = "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ characters."


@pytest.mark.parametrize(
    ("changed", "errors"),
    [
        ({"password2": "otra-clave-larga"}, ["Las contraseñas no coinciden"]),
        ({"password": "corta", "password2": "corta"}, [SHORT]),
        ({"password": "corta"}, [SHORT, "Las contraseñas no coinciden"]),
        ({"password": "12345678", "password2": "12345678"}, [
            "This password is too common.", "This password is entirely numeric.",
        ]),
        ({"username": "una-clave-larg"}, ["The password is too similar to the username."]),
        ({"first_name": "Una clave larga"}, ["The password is too similar to the first name."]),
        ({"last_name": "Clave-Larga-Una"}, ["The password is too similar to the last name."]),
        ({"email": "una-clave-larga@example.com"}, ["The password is too similar to the email address."]),
        ({"username": "a b"}, [NAMES]),
        ({"username": "ana\u200b"}, [NAMES]),
        ({"email": "nowhere"}, ["email: Enter a valid email address."]),
        ({"email": "a@b.com\r\nBcc: c@d.com"}, ["email: Enter a valid email address."]),
        ({"first_name": ""}, [f"first_name: {BLANK}"]),
        ({"last_name": " "}, [f"last_name: {BLANK}"]),
        ({"username": None}, ["username: This field may not be null."]),
        ({"username": "x" * 151}, ["username: Ensure this field has no more than 150 characters."]),
        ({"password": "x" * 1025}, ["password: Ensure this field has no more than 1024 characters."]),
        ({"first_name": "a\0b"}, ["first_name: Null characters are not allowed."]),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_listed_under_error(
    client: httpx.AsyncClient, db: AsyncSession, changed: dict[str, Any], errors: list[str]
) -> None:
    assert await register(client, **changed) == (400, {"error": errors})
    assert await counts(db) == (0, 0, 0)


async def test_every_missing_field_is_named(client: httpx.AsyncClient) -> None:
    fields = ["username", "password", "password2", "email", "first_name", "last_name"]
    assert said(await client.post(REGISTER, json={})) == (400, {"error": [f"{name}: {NEEDED}" for name in fields]})
    expected = "non_field_errors: Invalid data. Expected a dictionary, but got list."
    assert said(await client.post(REGISTER, json=[form()])) == (400, {"error": [expected]})


async def test_nobody_makes_themselves_more_than_they_are(client: httpx.AsyncClient, db: AsyncSession) -> None:
    rights = {"is_staff": True, "is_superuser": True, "is_active": True, "email_verified": True}
    others = {"id": 7, "token_version": 9, "admin_notes": "x", "dni": "1", "date_joined": "2001-01-01T00:00:00Z"}
    status, _ = await register(client, **rights, **others, segments_override=["new"], blocked_at=None)
    assert status == 201
    user = (await db.execute(select(User))).scalar_one()
    assert (user.is_staff, user.is_superuser, user.is_active, user.email_verified) == (False,) * 4
    assert (user.id, user.token_version, user.admin_notes, user.dni) == (user.id, 0, "", "")
    assert user.date_joined.year > 2001


async def test_long_and_foreign_passwords_are_not_cut(client: httpx.AsyncClient, mailed: Mailed) -> None:
    long = "ñ🌱 á" * 32
    _, body = await register(client, password=long, password2=long)
    code = await mailed(body["user_id"])
    await client.post("/api/auth/verify-email/", json={"code": code.code, "email": code.email})
    for password, status in ((long, 200), (long[:-1], 401), (long[:72], 401), (long + " ", 401)):
        answer = await client.post("/api/auth/login/", json={"username": "ana", "password": password})
        assert answer.status_code == status


async def test_the_doors_header_is_not_looked_at(client: httpx.AsyncClient) -> None:
    answer = await client.post(REGISTER, json=form(), headers={"Authorization": "Bearer broken"})
    assert answer.status_code == 201


@pytest.mark.races
async def test_of_parallel_registrations_one_makes_the_account_and_the_others_get_the_sequential_answer(
    client: httpx.AsyncClient, db: AsyncSession, full_rounds: bool
) -> None:
    for number in range(10 if full_rounds else 2):
        same = {"username": f"ana{number}", "email": f"ana{number}@example.com"}
        answers = await asyncio.gather(*(register(client, **same) for _ in range(12)))
        assert Counter(status for status, _ in answers) == {201: 1, 200: 11}
        assert len({body["user_id"] for _, body in answers}) == 1
    assert (await db.execute(select(func.count()).select_from(RefreshToken))).scalar_one() == 0


@pytest.mark.races
async def test_of_parallel_registrations_of_one_name_with_many_emails_one_wins(
    client: httpx.AsyncClient, db: AsyncSession
) -> None:
    answers = await asyncio.gather(*(register(client, email=f"ana{number}@example.com") for number in range(12)))
    assert sorted(status for status, _ in answers) == [201] + [400] * 11
    assert [answer for answer in answers if answer[0] == 400] == [NAME_TAKEN] * 11
    assert await counts(db) == (1, 1, 1)
