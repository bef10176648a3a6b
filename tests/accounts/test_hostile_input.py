"""What nobody means well by, at every operation of accounts that came with codes: 4xx, and nothing is stored."""

import time
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.settings import Settings
from tests.accounts.test_doors import HOSTILE
from tests.factories import bearer, make_user

DOORS = [
    "/api/auth/register/",
    "/api/auth/verify-email/",
    "/api/auth/resend-verification/",
    "/api/auth/request-password-reset/",
    "/api/auth/verify-password-reset/",
    "/api/auth/logout/",
]
SIGNED_IN = ["/api/auth/change-password/", "/api/auth/verify-change/"]
TEXTS = [
    "{{7*7}}",
    "%00",
    "\u202egnp",
    "zero\u200bwidth",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "a\r\nb",
    "🌱" * 60,
]


async def everything(db: AsyncSession) -> list[Any]:
    """Every row that these operations may write."""
    await db.commit()
    tables = ("users", "profiles", "verification_codes", "refresh_tokens", "activity_log", "procrastinate_jobs")
    return [
        (await db.execute(text(f"SELECT coalesce(json_agg(t ORDER BY t::text)::text, '') FROM {table} t"))).scalar_one()
        for table in tables
    ]


@pytest.mark.parametrize("path", DOORS + SIGNED_IN)
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_bodies_are_refused(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, path: str, hostile: tuple[str, bytes]
) -> None:
    user = await make_user(db)
    before = await everything(db)
    media, body = hostile
    headers = {"Content-Type": media} | (bearer(settings, user) if path in SIGNED_IN else {})
    answer = await client.post(path, content=body, headers=headers)
    assert answer.status_code in {400, 401, 413, 415}
    assert isinstance(answer.json(), dict)
    assert await everything(db) == before


FIELDS = {
    "/api/auth/register/": ("username", "password", "password2", "email", "first_name", "last_name"),
    "/api/auth/verify-email/": ("code", "email"),
    "/api/auth/resend-verification/": ("email",),
    "/api/auth/request-password-reset/": ("email",),
    "/api/auth/verify-password-reset/": ("email", "code", "new_password"),
    "/api/auth/logout/": ("refresh",),
    "/api/auth/change-password/": ("old_password", "new_password"),
    "/api/auth/verify-change/": ("type", "new_email", "password"),
}
GOOD = {
    "username": "ana",
    "email": "ana@example.com",
    "new_email": "bea@example.com",
    "password": "una-clave-larga",
    "password2": "una-clave-larga",
    "old_password": "una-clave-larga",
    "new_password": "otra-clave-larga",
    "first_name": "Ana",
    "last_name": "Paz",
    "code": "123456",
    "refresh": "a.b.c",
    "type": "EMAIL_CHANGE",
}
VALUES = [None, True, [], {}, ["x"], {"a": 1}, "", "a\0b", "x" * 100_000]


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in FIELDS.items() for field in fields])
async def test_no_field_takes_what_it_cannot_be(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, path: str, field: str
) -> None:
    headers = bearer(settings, await make_user(db, email="owner@example.com"))
    before = await everything(db)
    for value in VALUES:
        body = {name: GOOD[name] for name in FIELDS[path]} | {field: value}
        answer = await client.post(path, json=body, headers=headers if path in SIGNED_IN else {})
        assert answer.status_code in {400, 401}, (value, answer.text)
        assert isinstance(answer.json(), dict)
    assert await everything(db) == before


@pytest.mark.parametrize("text_", TEXTS)
async def test_strange_names_are_stored_as_they_are(client: httpx.AsyncClient, db: AsyncSession, text_: str) -> None:
    body = {name: GOOD[name] for name in FIELDS["/api/auth/register/"]} | {"first_name": text_}
    answer = await client.post("/api/auth/register/", json=body)
    assert answer.status_code == 201
    assert (await db.execute(text("SELECT first_name FROM users"))).scalar_one() == text_.strip()


async def test_a_password_of_a_megabyte_is_refused_at_once(client: httpx.AsyncClient) -> None:
    body = {name: GOOD[name] for name in FIELDS["/api/auth/register/"]} | {"password": "x" * 1_000_000}
    started = time.perf_counter()
    answer = await client.post("/api/auth/register/", json=body)
    assert answer.status_code == 400
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("path", DOORS + SIGNED_IN)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_not_allowed(client: httpx.AsyncClient, path: str, method: str) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()) == (405, {"detail": f'Method "{method}" not allowed.'})
