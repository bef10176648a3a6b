import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import Profile, User
from app.settings import Settings
from tests.cli.conftest import Run
from tests.factories import make_user

CREATE = ("create-admin", "--username", "jefa", "--email", "Jefa@Example.com")
PASSWORD = "clave-de-la-jefa"


async def accounts(db: AsyncSession) -> list[tuple[Any, ...]]:
    rows = await db.execute(
        select(User.username, User.email, User.is_staff, User.is_superuser, User.is_active, User.email_verified).join(
            Profile, Profile.user_id == User.id
        )
    )
    return [tuple(row) for row in rows]


async def test_an_admin_is_made_and_can_log_in(client: httpx.AsyncClient, db: AsyncSession, run_users: Run) -> None:
    result = await run_users(*CREATE, "--password", PASSWORD)
    assert result.exit_code == 0
    made = (await db.execute(select(User.id))).scalar_one()
    assert result.stdout == f"Administrator jefa <Jefa@example.com> was created with id {made}.\n"
    assert await accounts(db) == [("jefa", "Jefa@example.com", True, True, True, True)]
    answer = await client.post("/api/auth/login/", json={"username": "jefa", "password": PASSWORD})
    assert (answer.status_code, answer.json()["is_admin"]) == (200, True)


async def test_json_is_all_that_is_printed(db: AsyncSession, run_users: Run) -> None:
    result = await run_users(*CREATE, "--json", stdin=f"{PASSWORD}\n")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "id": (await db.execute(select(User.id))).scalar_one(),
        "username": "jefa",
        "email": "Jefa@example.com",
        "is_staff": True,
        "is_superuser": True,
    }


async def test_name_and_email_are_asked_for(db: AsyncSession, run_users: Run) -> None:
    result = await run_users("create-admin", stdin=f"jefa\njefa@example.com\n{PASSWORD}\n")
    assert result.exit_code == 0
    assert [row[0] for row in await accounts(db)] == ["jefa"]


@pytest.mark.parametrize(
    ("taken", "message"),
    [
        ({"username": "jefa"}, "username: A user with that username already exists."),
        ({"email": "JEFA@example.com"}, "email: user with this email already exists."),
    ],
)
async def test_a_duplicate_is_refused(db: AsyncSession, run_users: Run, taken: dict[str, str], message: str) -> None:
    await make_user(db, **taken)
    before = await accounts(db)
    result = await run_users(*CREATE, "--password", PASSWORD)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {message}\n")
    assert await accounts(db) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--username", "", "--email", "x@example.com"), "username: This field may not be blank."),
        (("--username", "a b", "--email", "x@example.com"), "username: Enter a valid username."),
        (("--username", "ana", "--email", "nowhere"), "email: Enter a valid email address."),
    ],
)
async def test_bad_values_are_named(db: AsyncSession, run_users: Run, arguments: tuple[str, ...], message: str) -> None:
    result = await run_users("create-admin", *arguments, "--password", PASSWORD)
    assert result.exit_code == 1
    assert message in result.stderr
    assert await accounts(db) == []


async def test_a_weak_password_is_refused(db: AsyncSession, run_users: Run) -> None:
    result = await run_users(*CREATE, stdin="corta\n")
    assert result.exit_code == 1
    assert "password: This password is too short. It must contain at least 8 characters." in result.stderr
    assert await accounts(db) == []


async def test_no_password_is_a_wrong_call(db: AsyncSession, run_users: Run) -> None:
    result = await run_users(*CREATE)
    assert result.exit_code == 2
    assert "No password: give --password, or write it to standard input." in result.stderr
    assert await accounts(db) == []


async def test_a_database_that_does_not_answer_is_said_in_a_sentence(run_users: Run) -> None:
    result = await run_users(*CREATE, "--password", PASSWORD, DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: The database does not answer: is it running, and is DATABASE_URL right?\n"


async def test_a_database_without_tables_is_said_in_a_sentence(run_users: Run, settings: Settings) -> None:
    empty = settings.database_url.rpartition("/")[0] + "/postgres"
    result = await run_users(*CREATE, "--password", PASSWORD, DATABASE_URL=empty)
    assert (result.exit_code, result.stderr) == (1, "Error: The database lacks a table: run `make migrate` first.\n")
