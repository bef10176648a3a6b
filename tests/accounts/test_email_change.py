"""Codes that a signed-in user asks for, and the change of an e-mail by one."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import User, VerificationCode
from app.domain.activity.models import ActivityLog
from app.settings import Settings
from tests.accounts.conftest import Jobs, Mailed, said, wrong
from tests.factories import PASSWORD, bearer, make_user

ASK = "/api/auth/verify-change/"
ME = "/api/auth/me/"
SENT = (200, {"message": "Te enviamos un código de verificación por email"})
CODE_NEEDED = (400, {"error": "Para cambiar el email hace falta un código de verificación válido"})
WRONG_PASSWORD = (400, {"error": "La contraseña actual es incorrecta"})
TAKEN = (400, {"error": "Este email ya está registrado"})
OLD, NEW = "ana@example.com", "Nueva@example.com"
WANTED = {"type": "EMAIL_CHANGE", "new_email": NEW, "password": PASSWORD}


@pytest.fixture
async def user(db: AsyncSession) -> User:
    return await make_user(db, username="ana", email=OLD)


@pytest.fixture
def headers(settings: Settings, user: User) -> dict[str, str]:
    return bearer(settings, user)


async def ask(client: httpx.AsyncClient, headers: dict[str, str], **changed: Any) -> tuple[int, Any]:
    return said(await client.post(ASK, headers=headers, json=WANTED | changed))


async def put(client: httpx.AsyncClient, headers: dict[str, str], **fields: Any) -> tuple[int, Any]:
    return said(await client.put(ME, headers=headers, json=fields))


async def stored(db: AsyncSession, user: User) -> tuple[str, str, bool]:
    await db.commit()
    columns = (User.email, User.first_name, User.email_verified)
    return tuple((await db.execute(select(*columns).where(User.id == user.id))).one())


async def issued(db: AsyncSession) -> int:
    await db.commit()
    return (await db.execute(select(func.count()).select_from(VerificationCode))).scalar_one()


async def test_the_code_goes_to_the_new_address_and_changes_it(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    assert await ask(client, headers) == SENT
    code = await mailed(user)
    assert (code.purpose, code.email) == ("EMAIL_CHANGE", NEW)
    status, body = await put(client, headers, email=NEW.upper(), verification_code=code.code, first_name="Anita")
    assert (status, body["email"], body["first_name"]) == (200, "NUEVA@example.com", "Anita")
    assert await stored(db, user) == ("NUEVA@example.com", "Anita", True)
    login = {"username": "nueva@example.com", "password": PASSWORD}
    assert (await client.post("/api/auth/login/", json=login)).status_code == 200
    entry = (await db.execute(select(ActivityLog).where(ActivityLog.action == "email_change"))).scalar_one()
    assert (entry.user_id, entry.changes) == (user.id, {"email": [OLD, "NUEVA@example.com"]})


async def test_a_code_for_the_password_goes_to_the_own_address(
    client: httpx.AsyncClient, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    assert said(await client.post(ASK, headers=headers, json={"type": "PASSWORD_CHANGE"})) == SENT
    code = await mailed(user)
    assert (code.purpose, code.email) == ("PASSWORD_CHANGE", OLD)
    assert await ask(client, headers, type="PASSWORD_CHANGE", new_email="", password=PASSWORD) == SENT
    assert (await mailed(user)).email == OLD


MISSING = "This field is required."


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"password": "x"}, "La contraseña actual es incorrecta"),
        ({"type": "PASSWORD_CHANGE", "password": "x"}, "La contraseña actual es incorrecta"),
        ({"type": "OTHER"}, 'type: "OTHER" is not a valid choice.'),
        ({"type": None}, "type: This field may not be null."),
        ({"type": "EMAIL_VERIFICATION"}, 'type: "EMAIL_VERIFICATION" is not a valid choice.'),
        ({"new_email": None}, f"new_email: {MISSING}"),
        ({"new_email": ""}, f"new_email: {MISSING}"),
        ({"new_email": "nowhere"}, "new_email: Enter a valid email address."),
        ({"password": None}, f"password: {MISSING}"),
        ({"password": "", "new_email": ""}, f"new_email: {MISSING}; password: {MISSING}"),
        ({"password": "x" * 1025}, "password: Ensure this field has no more than 1024 characters."),
        ({"new_email": OLD}, "Este email ya está registrado"),
        ({"new_email": OLD.upper()}, "Este email ya está registrado"),
    ],
)
async def test_what_is_asked_for_wrongly_sends_nothing(
    client: httpx.AsyncClient, db: AsyncSession, headers: dict[str, str], changed: dict[str, Any], error: str
) -> None:
    assert await ask(client, headers, **changed) == (400, {"error": error})
    assert await issued(db) == 0


async def test_somebody_elses_address_is_taken_and_a_wrong_password_does_not_learn_it(
    client: httpx.AsyncClient, db: AsyncSession, headers: dict[str, str], jobs: Jobs
) -> None:
    await make_user(db, email="bea@example.com")
    assert await ask(client, headers, new_email="BEA@example.com") == TAKEN
    assert await ask(client, headers, new_email="BEA@example.com", password="x") == WRONG_PASSWORD
    assert await jobs() == []


async def test_a_wrong_code_counts_and_stores_nothing(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    await ask(client, headers)
    code = (await mailed(user)).code
    before = await stored(db, user)
    assert await put(client, headers, first_name="X", email=NEW, verification_code=wrong(code)) == CODE_NEEDED
    assert await stored(db, user) == before
    assert (await db.execute(select(VerificationCode.tries))).scalar_one() == 1
    for number in range(2, 6):
        await put(client, headers, email=NEW, verification_code=wrong(code, number))
    assert await put(client, headers, email=NEW, verification_code=code) == CODE_NEEDED
    assert await stored(db, user) == before


async def test_a_code_for_one_address_changes_to_no_other(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    await ask(client, headers)
    code = (await mailed(user)).code
    assert await put(client, headers, email="third@example.com", verification_code=code) == CODE_NEEDED
    assert (await stored(db, user))[0] == OLD


@pytest.mark.parametrize("purpose", ["PASSWORD_CHANGE", "PASSWORD_RESET"])
async def test_a_code_of_another_purpose_changes_nothing(
    client: httpx.AsyncClient, user: User, headers: dict[str, str], mailed: Mailed, purpose: str
) -> None:
    await client.post(ASK, headers=headers, json={"type": "PASSWORD_CHANGE"})
    await client.post("/api/auth/request-password-reset/", json={"email": OLD})
    code = (await mailed(user, purpose)).code
    assert await put(client, headers, email=NEW, verification_code=code) == CODE_NEEDED
    assert (await client.get(ME, headers=headers)).json()["email"] == OLD


async def test_a_code_of_another_user_changes_nothing(
    client: httpx.AsyncClient, db: AsyncSession, user: User, settings: Settings, mailed: Mailed
) -> None:
    thief, headers = await make_user(db), bearer(settings, user)
    await ask(client, headers)
    code = (await mailed(user)).code
    assert await put(client, bearer(settings, thief), email=NEW, verification_code=code) == CODE_NEEDED
    assert (await put(client, headers, email=NEW, verification_code=code))[0] == 200


async def test_an_address_that_somebody_took_meanwhile_is_refused_and_the_code_stays(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    await ask(client, headers)
    code = (await mailed(user)).code
    faster = await make_user(db, email=NEW.lower())
    assert await put(client, headers, first_name="X", email=NEW, verification_code=code) == TAKEN
    assert (await stored(db, user))[0] == OLD
    await db.execute(update(User).where(User.id == faster.id).values(email="gone@example.com"))
    await db.commit()
    assert (await put(client, headers, email=NEW, verification_code=code))[0] == 200


async def test_codes_to_the_old_address_are_void_after_it(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    await client.post("/api/auth/request-password-reset/", json={"email": OLD})
    stale = (await mailed(user)).code
    await ask(client, headers)
    await put(client, headers, email=NEW, verification_code=(await mailed(user)).code)
    for email in (OLD, NEW):
        body = {"email": email, "code": stale, "new_password": "otra-clave-larga"}
        assert (await client.post("/api/auth/verify-password-reset/", json=body)).status_code == 400
    live = select(func.count()).where(VerificationCode.ended_at.is_(None))
    assert (await db.execute(live)).scalar_one() == 0


@pytest.mark.races
async def test_of_parallel_changes_to_one_address_one_user_gets_it(
    client: httpx.AsyncClient, db: AsyncSession, mailed: Mailed, settings: Settings
) -> None:
    users = [await make_user(db) for _ in range(6)]
    bodies = []
    for each in users:
        await ask(client, bearer(settings, each))
        bodies.append({"email": NEW, "verification_code": (await mailed(each)).code})
    answers = await asyncio.gather(
        *(put(client, bearer(settings, each), **body) for each, body in zip(users, bodies, strict=True))
    )
    assert sorted(status for status, _ in answers) == [200] + [400] * 5
    assert [answer for answer in answers if answer[0] == 400] == [TAKEN] * 5


async def test_without_a_token_it_is_401(client: httpx.AsyncClient, db: AsyncSession) -> None:
    assert (await client.post(ASK, json=WANTED)).status_code == 401
    assert await issued(db) == 0
