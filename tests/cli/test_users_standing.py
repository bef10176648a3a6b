"""`users`: who there is, and who may enter as what."""

import datetime as dt
import json
from typing import Any

import httpx
import pytest
from click.testing import Result
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import RefreshToken, User
from app.domain.activity.models import ActivityLog
from tests.cli.conftest import Run
from tests.factories import PASSWORD, make_staff, make_user

NEW = "otra-clave-larga"


@pytest.fixture
async def ana(db: AsyncSession) -> User:
    return await make_user(db, username="ana", email="Ana@example.com", first_name="Ana", last_name="Paz")


async def stored(db: AsyncSession, user: User) -> dict[str, Any]:
    await db.commit()
    found = await db.execute(select(*User.__table__.columns).where(User.id == user.id))
    return dict(found.mappings().one())


async def actions(db: AsyncSession) -> list[tuple[int | None, str, str]]:
    await db.commit()
    rows = await db.execute(
        select(ActivityLog.user_id, ActivityLog.action, ActivityLog.object_id).order_by(ActivityLog.id)
    )
    return [tuple(row) for row in rows]


def shown(user: User, **changed: Any) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": "ana",
        "email": "Ana@example.com",
        "name": "Ana Paz",
        "role": "customer",
        "status": "active",
    } | changed


def printed(result: Result) -> dict[str, Any]:
    assert (result.exit_code, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    assert found.pop("date_joined").endswith("Z")
    return found


async def test_the_newest_accounts_are_listed(run_users: Run, db: AsyncSession, ana: User) -> None:
    await make_staff(db, username="boss", date_joined=dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    await db.execute(update(User).where(User.username == "ana").values(blocked_at=func.now(), is_active=False))
    await make_user(db, is_superuser=True, is_active=False, email_verified=False, username="root")
    gone = await make_user(db, username="gone", is_active=False)
    await db.execute(update(User).where(User.id == gone.id).values(deleted_at=func.now()))
    await db.commit()
    found = json.loads((await run_users("list", "--json")).stdout)
    kinds = {(each["username"], each["role"], each["status"]) for each in found}
    assert kinds == {("boss", "staff", "active"), ("ana", "customer", "blocked"), ("root", "admin", "unverified")}
    assert found[0]["username"] == "boss"
    assert {each["username"] for each in json.loads((await run_users("list", "--staff", "--json")).stdout)} == {
        "boss",
        "root",
    }
    assert [each["id"] for each in json.loads((await run_users("list", "--search", "PAZ", "--json")).stdout)] == [
        ana.id
    ]
    assert json.loads((await run_users("list", "--search", "%", "--json")).stdout) == []
    assert len(json.loads((await run_users("list", "--limit", "1", "--json")).stdout)) == 1
    table = (await run_users("list")).stdout
    assert all(word in table for word in ("ana", "blocked", "boss", "staff", "root", "unverified"))


@pytest.mark.parametrize("by", ["username", "email", "id"])
async def test_block_and_unblock(run_users: Run, db: AsyncSession, ana: User, by: str) -> None:
    who = {"username": "ana", "email": "ana@EXAMPLE.com", "id": str(ana.id)}[by]
    assert printed(await run_users("block", who, "--reason", "fraude", "--json")) == shown(ana, status="blocked")
    row = await stored(db, ana)
    assert (row["is_active"], row["admin_notes"], row["token_version"]) == (False, "fraude", 1)
    assert (await run_users("block", who)).stdout == "ana <Ana@example.com> is blocked.\n"
    assert (await stored(db, ana))["admin_notes"] == "fraude"
    assert printed(await run_users("unblock", who, "--json")) == shown(ana)
    assert (await stored(db, ana))["is_active"] is True
    assert (await run_users("unblock", who)).stdout == "ana <Ana@example.com> is not blocked any more.\n"
    names = ["block", "block", "unblock", "unblock"]
    assert await actions(db) == [(None, name, str(ana.id)) for name in names]


async def test_a_user_name_of_digits_comes_before_an_id(run_users: Run, db: AsyncSession, ana: User) -> None:
    digits = await make_user(db, username=str(ana.id))
    assert printed(await run_users("block", str(ana.id), "--json"))["id"] == digits.id
    assert (await stored(db, ana))["is_active"] is True


@pytest.mark.parametrize("role", ["staff", "admin", "customer"])
async def test_a_role_ends_every_session(
    client: httpx.AsyncClient,
    run_users: Run,
    db: AsyncSession,
    ana: User,
    role: str,
) -> None:
    pair = (await client.post("/api/token/", json={"username": "ana", "password": PASSWORD})).json()
    assert printed(await run_users("set-role", "ana", role, "--json")) == shown(ana, role=role)
    row = await stored(db, ana)
    assert (row["is_staff"], row["is_superuser"]) == (role != "customer", role == "admin")
    for answer in (
        await client.get("/api/auth/me/", headers={"Authorization": f"Bearer {pair['access']}"}),
        await client.post("/api/token/refresh/", json={"refresh": pair["refresh"]}),
    ):
        assert answer.status_code == 401


async def test_a_password_is_reset_from_standard_input(
    client: httpx.AsyncClient, run_users: Run, db: AsyncSession, ana: User
) -> None:
    result = await run_users("reset-password", "ana", stdin=f"{NEW}\n")
    assert (result.exit_code, result.stdout) == (
        0,
        "ana <Ana@example.com> has a new password; every session has ended.\n",
    )
    for password, status in ((PASSWORD, 401), (NEW, 200)):
        body = {"username": "ana", "password": password}
        assert (await client.post("/api/auth/login/", json=body)).status_code == status
    assert (await stored(db, ana))["token_version"] == 1
    assert (None, "password_reset", str(ana.id)) in await actions(db)


async def test_tokens_are_revoked(client: httpx.AsyncClient, run_users: Run, db: AsyncSession, ana: User) -> None:
    await client.post("/api/token/", json={"username": "ana", "password": PASSWORD})
    assert printed(await run_users("revoke-tokens", "ana", "--json")) == shown(ana)
    live = select(func.count()).where(RefreshToken.revoked_at.is_(None))
    assert (await db.execute(live)).scalar_one() == 0


@pytest.mark.parametrize("command", ["block", "unblock", "set-role", "reset-password", "revoke-tokens"])
async def test_an_account_that_there_is_not(run_users: Run, db: AsyncSession, command: str) -> None:
    more = {"set-role": ["staff"], "reset-password": ["--password", NEW]}.get(command, [])
    for who in ("nadie", "9" * 18, "9" * 30):
        result = await run_users(command, who, *more)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"Error: No account has the user name, e-mail or id {who!r}.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("block", "ana", "--reason", "x" * 41), "reason: Ensure this field has no more than 40 characters."),
        (("reset-password", "ana", "--password", "corta"), "This password is too short."),
        (("reset-password", "ana", "--password", "Ana@example.com"), "too similar to the email address."),
        (("reset-password", "ana", "--password", "x" * 1025), "no more than 1024 characters."),
    ],
)
async def test_what_cannot_be_changes_nothing(
    run_users: Run,
    db: AsyncSession,
    ana: User,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    before = await stored(db, ana)
    result = await run_users(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert await stored(db, ana) == before
    assert await actions(db) == []


async def test_a_role_that_there_is_not_is_a_wrong_call(run_users: Run, ana: User) -> None:
    assert (await run_users("set-role", "ana", "king")).exit_code == 2
