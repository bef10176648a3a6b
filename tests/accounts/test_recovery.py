"""Passwords that change: by their owner, and by whoever reads the account's mail."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import RefreshToken, User, VerificationCode
from app.domain.activity.models import ActivityLog
from app.settings import Settings
from tests.accounts.conftest import Jobs, Mailed, said, wrong
from tests.factories import PASSWORD, bearer, make_user

CHANGE = "/api/auth/change-password/"
REQUEST = "/api/auth/request-password-reset/"
RESET = "/api/auth/verify-password-reset/"
SENT = (200, {"message": "Si el email está registrado, te enviamos un código para restablecer la contraseña"})
CHANGED = "Contraseña actualizada correctamente"
REFUSED = (400, {"error": "Código inválido o expirado"})
NEW = "otra-clave-larga"
EMAIL = "Ana@example.com"


@pytest.fixture
async def user(db: AsyncSession) -> User:
    return await make_user(db, username="ana", email=EMAIL, first_name="Ana", last_name="Paz")


@pytest.fixture
def headers(settings: Settings, user: User) -> dict[str, str]:
    return bearer(settings, user)


async def stored(db: AsyncSession, user: User) -> tuple[Any, ...]:
    await db.commit()
    columns = (User.password_hash, User.token_version, User.is_active, User.email_verified, User.blocked_at)
    return tuple((await db.execute(select(*columns).where(User.id == user.id))).one())


async def log_in(client: httpx.AsyncClient, password: str) -> int:
    return (await client.post("/api/auth/login/", json={"username": "ana", "password": password})).status_code


async def is_the_only_live_pair(client: httpx.AsyncClient, db: AsyncSession, body: dict[str, str]) -> None:
    me = await client.get("/api/auth/me/", headers={"Authorization": f"Bearer {body['access']}"})
    assert me.status_code == 200
    live = select(func.count()).where(RefreshToken.revoked_at.is_(None))
    assert (await db.execute(live)).scalar_one() == 1
    assert (await client.post("/api/token/refresh/", json={"refresh": body["refresh"]})).status_code == 200


async def change(client: httpx.AsyncClient, headers: dict[str, str], **fields: Any) -> httpx.Response:
    return await client.post(CHANGE, headers=headers, json={"old_password": PASSWORD, "new_password": NEW} | fields)


async def test_the_owner_changes_the_password_and_every_other_token_dies(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    old = (await client.post("/api/token/", json={"username": "ana", "password": PASSWORD})).json()
    answer = await change(client, headers)
    assert answer.status_code == 200
    body = answer.json()
    assert (list(body), body["message"]) == (["message", "access", "refresh"], CHANGED)
    for dead in (headers, {"Authorization": f"Bearer {old['access']}"}):
        assert (await client.get("/api/auth/me/", headers=dead)).status_code == 401
    dead_refresh = await client.post("/api/token/refresh/", json={"refresh": old["refresh"]})
    assert said(dead_refresh) == (401, {"detail": "Token is blacklisted", "code": "token_not_valid"})
    await is_the_only_live_pair(client, db, body)
    assert (await log_in(client, PASSWORD), await log_in(client, NEW)) == (401, 200)


async def test_a_change_is_logged_without_the_password(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    await change(client, headers)
    entry = (await db.execute(select(ActivityLog))).scalar_one()
    assert (entry.user_id, entry.action, entry.object_id) == (user.id, "password_change", str(user.id))
    assert (entry.changes, str(entry.ip_address)) == ({}, "127.0.0.1")


async def test_a_client_of_basic_has_to_use_the_new_password(
    client: httpx.AsyncClient, user: User, headers: dict[str, str]
) -> None:
    def basic(password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"ana:{password}".encode()).decode()}

    # Once more: the second time the pair is remembered.
    for _ in range(2):
        assert (await client.get("/api/auth/me/", headers=basic(PASSWORD))).status_code == 200
    await change(client, headers)
    assert (await client.get("/api/auth/me/", headers=basic(PASSWORD))).status_code == 401
    assert (await client.get("/api/auth/me/", headers=basic(NEW))).status_code == 200


@pytest.mark.parametrize(
    "bad",
    [
        ({"old_password": "x"}, "La contraseña actual es incorrecta"),
        ({"new_password": "corta"}, "This password is too short. It must contain at least 8 characters."),
        ({"new_password": "12345678"}, "This password is too common. This password is entirely numeric."),
        ({"new_password": "Ana@Example.com"}, "The password is too similar to the email address."),
        ({"new_password": ""}, "new_password: This field may not be blank."),
        ({"new_password": "x" * 1025}, "new_password: Ensure this field has no more than 1024 characters."),
        ({"old_password": None}, "old_password: This field may not be null."),
        ({"old_password": ["x"]}, "old_password: Not a valid string."),
        ({"new_password": "a\0bcdefgh"}, "new_password: Null characters are not allowed."),
        ({"verification_code": "000000"}, "Código inválido o expirado"),
        ({"verification_code": "x"}, "Código inválido o expirado"),
        ({"verification_code": "1" * 33}, "verification_code: Ensure this field has no more than 32 characters."),
    ],
)
async def test_a_refused_change_changes_nothing(
    client: httpx.AsyncClient, db: AsyncSession, user: User, settings: Settings, bad: tuple[Any, str]
) -> None:
    (fields, error), headers = bad, bearer(settings, user)
    before = await stored(db, user)
    assert said(await change(client, headers, **fields)) == (400, {"error": error})
    assert await stored(db, user) == before
    assert (await client.get("/api/auth/me/", headers=headers)).status_code == 200


@pytest.mark.parametrize("code", [None, ""])
async def test_no_code_is_needed(client: httpx.AsyncClient, headers: dict[str, str], code: str | None) -> None:
    assert (await change(client, headers, verification_code=code)).status_code == 200


async def test_a_code_that_was_asked_for_is_tried(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    await client.post("/api/auth/verify-change/", headers=headers, json={"type": "PASSWORD_CHANGE"})
    code = (await mailed(user)).code
    assert said(await change(client, headers, verification_code=wrong(code))) == REFUSED
    assert (await db.execute(select(VerificationCode.tries))).scalar_one() == 1
    assert (await change(client, headers, verification_code=code)).status_code == 200


@pytest.mark.races
async def test_of_parallel_changes_one_wins(
    client: httpx.AsyncClient, db: AsyncSession, user: User, headers: dict[str, str]
) -> None:
    news = [f"otra-clave-larga-{number}" for number in range(6)]
    answers = await asyncio.gather(*(change(client, headers, new_password=new) for new in news))
    won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} <= {200, 400, 401}
    assert await log_in(client, news[won[0]]) == 200
    assert (await stored(db, user))[1] == 1


async def test_without_a_token_it_is_401(client: httpx.AsyncClient) -> None:
    assert (await change(client, {})).status_code == 401


async def code_of(client: httpx.AsyncClient, mailed: Mailed, user: User, email: str = EMAIL) -> str:
    assert said(await client.post(REQUEST, json={"email": email})) == SENT
    return (await mailed(user, "PASSWORD_RESET")).code


async def reset(client: httpx.AsyncClient, code: str, **fields: Any) -> httpx.Response:
    return await client.post(RESET, json={"email": EMAIL, "code": code, "new_password": NEW} | fields)


async def test_a_code_by_mail_sets_a_new_password(
    client: httpx.AsyncClient, db: AsyncSession, user: User, settings: Settings, mailed: Mailed
) -> None:
    headers = bearer(settings, user)
    answer = await reset(client, await code_of(client, mailed, user, "ANA@EXAMPLE.COM"), email="ana@example.com")
    assert answer.status_code == 200
    assert answer.json()["message"] == CHANGED
    assert (await client.get("/api/auth/me/", headers=headers)).status_code == 401
    await is_the_only_live_pair(client, db, answer.json())
    assert (await log_in(client, PASSWORD), await log_in(client, NEW)) == (401, 200)
    entry = (await db.execute(select(ActivityLog).where(ActivityLog.action == "password_reset"))).scalar_one()
    assert (entry.user_id, entry.changes) == (user.id, {})


async def test_a_code_is_spent_by_its_reset(client: httpx.AsyncClient, user: User, mailed: Mailed) -> None:
    code = await code_of(client, mailed, user)
    assert (await reset(client, code)).status_code == 200
    assert said(await reset(client, code, new_password="tercera-clave")) == REFUSED


async def test_a_new_password_voids_codes_of_every_purpose(
    client: httpx.AsyncClient, user: User, headers: dict[str, str], mailed: Mailed
) -> None:
    """Who had the account before shall not move it to another address afterwards."""
    await client.post(
        "/api/auth/verify-change/",
        headers=headers,
        json={"type": "EMAIL_CHANGE", "new_email": "thief@example.com", "password": PASSWORD},
    )
    stale = (await mailed(user)).code
    body = (await reset(client, await code_of(client, mailed, user))).json()
    answer = await client.put(
        "/api/auth/me/",
        headers={"Authorization": f"Bearer {body['access']}"},
        json={"email": "thief@example.com", "verification_code": stale},
    )
    assert answer.status_code == 400


async def test_a_reset_proves_the_address_of_an_unverified_account(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    await db.execute(update(User).values(is_active=False, email_verified=False))
    await db.commit()
    assert (await reset(client, await code_of(client, mailed, user))).status_code == 200
    assert (await stored(db, user))[2:] == (True, True, None)
    assert await log_in(client, NEW) == 200


async def test_a_reset_lifts_no_block(client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed) -> None:
    await db.execute(update(User).values(is_active=False, blocked_at=func.now()))
    await db.commit()
    answer = await reset(client, await code_of(client, mailed, user))
    assert said(answer) == (403, {"error": "account_blocked"})
    assert (await log_in(client, NEW), await log_in(client, PASSWORD)) == (403, 401)
    _, version, active, *_ = await stored(db, user)
    assert (version, active) == (1, False)
    assert (await db.execute(select(func.count()).select_from(RefreshToken))).scalar_one() == 0


@pytest.mark.parametrize(
    "bad",
    [
        ("corta", "This password is too short. It must contain at least 8 characters."),
        ("12345678", "This password is too common. This password is entirely numeric."),
        (EMAIL, "The password is too similar to the email address."),
        ("ana-paz-", None),
        ("Ana.Ana.", None),
    ],
)
async def test_a_weak_password_costs_neither_the_code_nor_a_try(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed, bad: tuple[str, str | None]
) -> None:
    new, error = bad
    await db.execute(update(User).values(username="anapaz", last_name="Ana-Ana"))
    await db.commit()
    before = await stored(db, user)
    code = await code_of(client, mailed, user)
    answer = await reset(client, code, new_password=new)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The password is too similar to the" if error is None else error)
    assert await stored(db, user) == before
    assert (await db.execute(select(VerificationCode.tries))).scalar_one() == 0
    assert (await reset(client, code)).status_code == 200


async def test_a_wrong_an_expired_and_an_unknown_code_are_one_refusal(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    before = await stored(db, user)
    assert said(await reset(client, "123456")) == REFUSED
    code = await code_of(client, mailed, user)
    for answer in (
        await reset(client, wrong(code)),
        await reset(client, code, email="nobody@example.com"),
        await reset(client, "x"),
        await client.post("/api/auth/verify-email/", json={"email": EMAIL, "code": code}),
    ):
        assert said(answer) == REFUSED
    await db.execute(update(VerificationCode).values(expires_at=func.now()))
    await db.commit()
    assert said(await reset(client, code)) == REFUSED
    assert await stored(db, user) == before


@pytest.mark.races
async def test_of_50_parallel_resets_one_is_done(
    client: httpx.AsyncClient, db: AsyncSession, user: User, mailed: Mailed
) -> None:
    code = await code_of(client, mailed, user)
    answers = await asyncio.gather(*(reset(client, code, new_password=f"{NEW}-{n}") for n in range(50)))
    won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    assert len(won) == 1
    assert [said(answer) for n, answer in enumerate(answers) if n not in won] == [REFUSED] * 49
    assert await log_in(client, f"{NEW}-{won[0]}") == 200


async def test_a_reset_does_not_care_about_hosts(client: httpx.AsyncClient, user: User, jobs: Jobs) -> None:
    """The mail has a code and no link; what it has comes from the code's row alone."""
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    assert said(await client.post(REQUEST, json={"email": EMAIL}, headers=evil)) == SENT
    ((_, args),) = await jobs()
    assert list(args) == ["code_id"]


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        (REQUEST, {}, "email: This field is required."),
        (REQUEST, {"email": "a@b"}, "email: Enter a valid email address."),
        (RESET, {"email": EMAIL, "code": "1"}, "new_password: This field is required."),
        (RESET, {"email": EMAIL, "code": None, "new_password": NEW}, "code: This field may not be null."),
    ],
)
async def test_bad_fields_are_said_under_error(client: httpx.AsyncClient, path: str, body: Any, error: str) -> None:
    assert said(await client.post(path, json=body)) == (400, {"error": error})
