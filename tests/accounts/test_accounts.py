import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.accounts.models import Profile, User
from app.domain.accounts.service.accounts import AccountService
from app.domain.accounts.service.passwords import MEMORY_KIB, REMEMBERED_PAIRS, Passwords
from app.errors import Invalid
from tests.factories import make_user

PASSWORD = "una-clave-larga"
TAKEN_NAME = {"username": ["A user with that username already exists."]}
TAKEN_EMAIL = {"email": ["user with this email already exists."]}


async def counts(db: AsyncSession) -> tuple[int, int]:
    await db.rollback()
    users = (await db.execute(select(func.count()).select_from(User))).scalar_one()
    profiles = (await db.execute(select(func.count()).select_from(Profile))).scalar_one()
    return users, profiles


async def test_an_account_is_active_and_has_a_profile(client: httpx.AsyncClient, db: AsyncSession) -> None:
    passwords = Passwords()
    user = await AccountService(db, passwords).create("ana", "Ana@Example.COM", PASSWORD, is_staff=True)
    await db.commit()
    row = (await db.execute(select(User).execution_options(populate_existing=True))).scalar_one()
    assert (row.id, row.username, row.email, row.is_staff, row.is_superuser) == (
        user.id,
        "ana",
        "Ana@example.com",
        True,
        False,
    )
    assert (row.is_active, row.email_verified, row.blocked_at, row.token_version) == (True, True, None, 0)
    assert row.password_hash.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t=2,p=1$")
    assert await passwords.matches(PASSWORD, row.password_hash)
    profile = (await db.execute(select(Profile))).scalar_one()
    assert (profile.user_id, profile.location, profile.first_paid_at, profile.third_last_paid_at) == (
        user.id,
        None,
        None,
        None,
    )
    assert profile.segments_override is None


@pytest.mark.parametrize(
    ("username", "email", "errors"),
    [("ana", "new@example.com", TAKEN_NAME), ("new", "ANA@example.com", TAKEN_EMAIL)],
)
async def test_a_taken_name_or_email_is_named(
    db: AsyncSession, username: str, email: str, errors: dict[str, list[str]]
) -> None:
    await make_user(db, username="ana", email="ana@example.com")
    with pytest.raises(Invalid) as refused:
        await AccountService(db, Passwords()).create(username, email, PASSWORD)
    assert refused.value.body() == errors
    # The refusal cost the transaction nothing.
    assert (await db.execute(text("SELECT 1"))).scalar_one() == 1
    assert await counts(db) == (1, 1)


async def test_of_parallel_accounts_with_one_email_one_is_made(
    db: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    passwords = Passwords()

    async def create(number: int) -> Any:
        async with sessions() as session, session.begin():
            return (await AccountService(session, passwords).create(f"user{number}", "one@example.com", PASSWORD)).id

    results = await asyncio.gather(*(create(number) for number in range(8)), return_exceptions=True)
    refusals = [result.body() for result in results if isinstance(result, Invalid)]
    assert refusals == [TAKEN_EMAIL] * 7
    assert await counts(db) == (1, 1)


@pytest.mark.parametrize(
    ("username", "password", "fields"),
    [
        ("ana", "corta", ["password"]),
        ("ana", "0123456789", ["password"]),
        ("ana-maria-paz", "Ana-Maria-Paz", ["password"]),
        ("with space", PASSWORD, ["username"]),
        ("", PASSWORD, ["username"]),
        ("a\u200bb", "x", ["username", "password"]),
    ],
)
async def test_rules_of_names_and_passwords(db: AsyncSession, username: str, password: str, fields: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        await AccountService(db, Passwords()).create(username, "ana@example.com", password)
    assert list(refused.value.body()) == fields
    assert await counts(db) == (0, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"username": ""},
        {"is_active": True, "blocked_at": func.now()},
    ],
)
async def test_the_database_holds_the_rules(db: AsyncSession, values: dict[str, Any]) -> None:
    good = {"username": "ana", "email": "ana@example.com", "password_hash": "!"}
    with pytest.raises(IntegrityError):
        await db.execute(insert(User).values(**good | values))


async def test_an_unknown_segment_is_refused_by_the_database(db: AsyncSession) -> None:
    await make_user(db, profile={"segments_override": ["new", "frequent"]})
    with pytest.raises(IntegrityError):
        await make_user(db, profile={"segments_override": ["vip"]})


async def test_a_deleted_user_takes_its_profile_along(db: AsyncSession) -> None:
    await make_user(db)
    await db.execute(text("DELETE FROM users"))
    await db.commit()
    assert await counts(db) == (0, 0)


@pytest.mark.parametrize("stored", [None, "", "!", "pbkdf2_sha256$1$x$y", "$argon2id$broken"])
async def test_no_password_matches_what_is_no_hash(stored: str | None) -> None:
    assert await Passwords().matches("", stored) is False


async def test_long_and_foreign_passwords_are_not_cut() -> None:
    passwords = Passwords()
    long = "ñ🌱" * 64
    stored = await passwords.hash(long)
    assert await passwords.matches(long, stored)
    assert not await passwords.matches(long[:-1], stored)
    assert not await passwords.matches(long + "x", stored)


def test_remembered_pairs_are_bounded_and_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    passwords.remember("first", "hash")
    assert passwords.remembers("first", "hash")
    assert not passwords.remembers("first", "another hash")
    assert not passwords.remembers("second", "hash")
    for number in range(REMEMBERED_PAIRS):
        passwords.remember(str(number), "hash")
    assert len(passwords._remembered) == REMEMBERED_PAIRS
    assert not passwords.remembers("first", "hash")
    monkeypatch.setattr("app.domain.accounts.service.passwords.REMEMBERED_SECONDS", -1.0)
    passwords.remember("late", "hash")
    assert not passwords.remembers("late", "hash")
