"""Customers as staff make, change, block and delete them."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.accounts.models import Profile, RefreshToken, User, VerificationCode
from app.domain.activity.models import ActivityLog
from app.domain.orders.models import Order
from app.settings import Settings
from tests.customers.conftest import CUSTOMERS, MakeOrder
from tests.factories import PASSWORD, bearer, make_staff, make_user

NEW = {"username": "nueva", "email": "Nueva@Example.com", "password": "una-clave-larga"}
TAKEN_NAME = {"username": ["A user with that username already exists."]}
TAKEN_EMAIL = {"email": ["user with this email already exists."]}
PROTECTED = {"error": "No se puede bloquear, desbloquear ni eliminar una cuenta de administración ni la propia"}
NEEDED, BLANK = "This field is required.", "This field may not be blank."


def said(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


async def row(db: AsyncSession, user: User | int) -> dict[str, Any]:
    await db.commit()
    columns = [column for column in User.__table__.columns if column.name != "id"]
    user_id = user if isinstance(user, int) else user.id
    segments = Profile.segments_override
    found = await db.execute(select(*columns, segments).outerjoin(Profile).where(User.id == user_id))
    return dict(found.mappings().one())


async def entries(db: AsyncSession, action: str) -> list[tuple[int | None, str, Any]]:
    await db.commit()
    statement = select(ActivityLog).where(ActivityLog.action == action).order_by(ActivityLog.id)
    return [(each.user_id, each.object_id, each.changes) for each in (await db.execute(statement)).scalars()]


@pytest.fixture
async def ana(db: AsyncSession) -> User:
    return await make_user(db, username="ana", email="ana@example.com", admin_notes="vieja nota", dni="1")


def path(user: User, tail: str = "") -> str:
    return f"{CUSTOMERS}{user.id}/{tail}"


async def test_a_customer_is_made_active_at_once(office: httpx.AsyncClient, db: AsyncSession, boss: User) -> None:
    answer = await office.post(CUSTOMERS, json=NEW | {"dni": "30111222"})
    assert answer.status_code == 201
    body = answer.json()
    assert body.pop("date_joined").endswith("Z")
    user_id = body.pop("id")
    assert body == {
        "username": "nueva",
        "email": "Nueva@example.com",
        "dni": "30111222",
        "name": "",
        "total_orders": 0,
        "total_spent": "0.00",
        "last_purchase": None,
        "is_active": True,
        "admin_notes": "",
    }
    stored = await row(db, user_id)
    assert (stored["is_active"], stored["email_verified"], stored["is_staff"]) == (True, True, False)
    login = {"username": "nueva", "password": NEW["password"]}
    assert (await office.post("/api/auth/login/", json=login)).status_code == 200
    changes = {"username": [None, "nueva"], "email": [None, "Nueva@example.com"], "dni": [None, "30111222"]}
    assert await entries(db, "create") == [(boss.id, str(user_id), changes)]
    assert (await db.execute(select(func.count()).select_from(VerificationCode))).scalar_one() == 0


@pytest.mark.parametrize(
    ("changed", "errors"),
    [
        ({"username": None}, {"username": ["This field may not be null."]}),
        ({"username": ""}, {"username": [BLANK]}),
        ({"email": "x"}, {"email": ["Enter a valid email address."]}),
        ({"password": "corta"}, {"password": ["This password is too short. It must contain at least 8 characters."]}),
        ({"password": ""}, {"password": [BLANK]}),
        ({"password": "nueva@example"}, {"password": ["The password is too similar to the email address."]}),
        ({"password": "password"}, {"password": ["This password is too common."]}),
        ({"dni": "1" * 21}, {"dni": ["Ensure this field has no more than 20 characters."]}),
        ({"username": "ana"}, TAKEN_NAME),
        ({"email": "ANA@example.com"}, TAKEN_EMAIL),
        ({"username": "boss"}, TAKEN_NAME),
    ],
)
async def test_a_customer_that_cannot_be_is_refused_by_field(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, changed: Any, errors: Any
) -> None:
    before = (await db.execute(select(func.count()).select_from(User))).scalar_one()
    assert said(await office.post(CUSTOMERS, json=NEW | changed)) == (400, errors)
    await db.commit()
    assert (await db.execute(select(func.count()).select_from(User))).scalar_one() == before


async def test_every_missing_field_is_named(office: httpx.AsyncClient) -> None:
    errors = {"username": [NEEDED], "email": [NEEDED], "password": [NEEDED]}
    assert said(await office.post(CUSTOMERS, json={})) == (400, errors)


async def test_no_staff_is_made_this_way(office: httpx.AsyncClient, db: AsyncSession) -> None:
    rights = {"is_staff": True, "is_superuser": True, "id": 1, "token_version": 9, "total_spent": "1.00"}
    body = (await office.post(CUSTOMERS, json=NEW | rights)).json()
    stored = await row(db, body["id"])
    assert (stored["is_staff"], stored["is_superuser"], stored["token_version"]) == (False, False, 0)


async def test_a_put_writes_what_it_names(office: httpx.AsyncClient, db: AsyncSession, ana: User, boss: User) -> None:
    before = await row(db, ana)
    fields = {"username": "anita", "email": "Anita@EXAMPLE.com", "first_name": "Anita", "dni": "2"}
    answer = await office.put(path(ana), json=fields)
    assert (answer.status_code, answer.json()["name"]) == (200, "Anita Prueba")
    expected = before | fields | {"email": "Anita@example.com"}
    assert await row(db, ana) == expected
    changes = {name: [before[name], expected[name]] for name in fields}
    assert await entries(db, "update") == [(boss.id, str(ana.id), changes)]


async def test_a_put_needs_name_and_address(office: httpx.AsyncClient, ana: User) -> None:
    answer = await office.put(path(ana), json={"first_name": "X"})
    assert said(answer) == (400, {"username": [NEEDED], "email": [NEEDED]})


@pytest.mark.parametrize(
    "fields",
    [{}, {"admin_notes": ""}, {"dni": ""}, {"first_name": "X", "last_name": ""}, {"admin_notes": "x" * 40}],
)
async def test_a_patch_writes_what_it_names(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, fields: dict[str, str]
) -> None:
    before = await row(db, ana)
    answer = await office.patch(path(ana), json=fields)
    assert answer.status_code == 200
    assert await row(db, ana) == before | fields
    changes = {name: [before[name], value] for name, value in fields.items() if before[name] != value}
    assert [each for *_, each in await entries(db, "update")] == ([changes] if changes else [])


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"username": "boss"}, TAKEN_NAME),
        ({"email": "BOSS@example.com"}, TAKEN_EMAIL),
        ({"username": "a b"}, None),
        ({"username": ""}, {"username": [BLANK]}),
        ({"email": None}, {"email": ["This field may not be null."]}),
        ({"admin_notes": "x" * 41}, {"admin_notes": ["Ensure this field has no more than 40 characters."]}),
        ({"first_name": "a\0"}, {"first_name": ["Null characters are not allowed."]}),
        ({"segments_override": ["vip"]}, {"segments_override": {"0": ['"vip" is not a valid choice.']}}),
        ({"segments_override": "new"}, {"segments_override": ['Expected a list of items but got type "str".']}),
    ],
)
async def test_a_patch_that_cannot_be_changes_nothing(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, fields: Any, errors: Any
) -> None:
    before = await row(db, ana)
    answer = await office.patch(path(ana), json={"dni": "9"} | fields)
    assert answer.status_code == 400
    assert answer.json() == errors or (errors is None and list(answer.json()) == ["username"])
    assert await row(db, ana) == before
    assert await entries(db, "update") == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_rights_and_standing_are_not_written(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, method: str
) -> None:
    before = await row(db, ana)
    rights = {"is_staff": True, "is_superuser": True, "is_active": False, "token_version": 9, "email_verified": False}
    body = {"username": "ana", "email": "ana@example.com", "password": "otra-clave", "blocked_at": None} | rights
    assert (await office.request(method, path(ana), json=body)).status_code == 200
    assert await row(db, ana) == before


@pytest.mark.parametrize(
    ("sent", "stored"), [(["frequent", "new"], ["frequent", "new"]), (["new", "new"], ["new"]), ([], []), (None, None)]
)
async def test_staff_override_the_segments(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, sent: Any, stored: Any
) -> None:
    await db.execute(update(Profile).values(segments_override=["frequent"]))
    await db.commit()
    assert (await office.patch(path(ana), json={"dni": "5"})).status_code == 200
    assert (await row(db, ana))["segments_override"] == ["frequent"]
    assert (await office.patch(path(ana), json={"segments_override": sent})).status_code == 200
    assert (await row(db, ana))["segments_override"] == stored
    put = {"username": "ana", "email": "ana@example.com", "segments_override": ["frequent"]}
    assert (await office.put(path(ana), json=put)).status_code == 200
    assert (await row(db, ana))["segments_override"] == stored


async def test_codes_to_an_address_that_staff_changed_are_void(
    office: httpx.AsyncClient, db: AsyncSession, ana: User
) -> None:
    await office.post("/api/auth/request-password-reset/", json={"email": "ana@example.com"})
    await office.patch(path(ana), json={"email": "other@example.com"})
    live = select(func.count()).where(VerificationCode.ended_at.is_(None))
    assert (await db.execute(live)).scalar_one() == 0


@pytest.mark.races
async def test_of_parallel_changes_to_one_name_one_wins(office: httpx.AsyncClient, db: AsyncSession) -> None:
    users = [await make_user(db) for _ in range(6)]
    patches = [office.patch(path(user), json={"username": "one"}) for user in users]
    answers = [said(answer) for answer in await asyncio.gather(*patches)]
    assert sorted(status for status, _ in answers) == [200] + [400] * 5
    assert [body for status, body in answers if status == 400] == [TAKEN_NAME] * 5


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        ({"admin_notes": "x" * 40}, "x" * 40),
        ({}, "vieja nota"),
        ({"admin_notes": None}, "vieja nota"),
        ({"admin_notes": ""}, ""),
    ],
)
async def test_a_block_holds_at_the_next_request(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, body: Any, notes: str
) -> None:
    pair = (await office.post("/api/token/", json={"username": "ana", "password": PASSWORD})).json()
    answer = await office.post(path(ana, "block/"), json=body)
    assert said(answer) == (200, {"message": "Cliente bloqueado", "is_active": False, "admin_notes": notes})
    me = await office.get("/api/auth/me/", headers={"Authorization": f"Bearer {pair['access']}"})
    assert said(me) == (401, {"detail": "User is inactive", "code": "user_inactive"})
    refresh = await office.post("/api/token/refresh/", json={"refresh": pair["refresh"]})
    assert refresh.status_code == 401
    login = await office.post("/api/auth/login/", json={"username": "ana", "password": PASSWORD})
    assert said(login) == (403, {"error": "account_blocked"})
    stored = await row(db, ana)
    assert (stored["is_active"], stored["token_version"], stored["admin_notes"]) == (False, 1, notes)
    assert stored["blocked_at"] is not None


async def test_a_block_takes_no_body_and_may_come_twice(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, boss: User
) -> None:
    first = await office.post(path(ana, "block/"))
    since = (await row(db, ana))["blocked_at"]
    assert said(await office.post(path(ana, "block/"))) == said(first)
    assert (await row(db, ana))["blocked_at"] == since
    logged = await entries(db, "block")
    assert logged == [(boss.id, str(ana.id), {"is_active": [True, False]}), (boss.id, str(ana.id), {})]


@pytest.mark.parametrize("notes", ["x" * 41, ["x"], "a\0", {"a": 1}])
async def test_a_reason_that_cannot_be_blocks_nobody(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, notes: Any
) -> None:
    before = await row(db, ana)
    answer = await office.post(path(ana, "block/"), json={"admin_notes": notes})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert answer.json()["error"].startswith("admin_notes: ")
    assert await row(db, ana) == before


async def test_unblocking_revives_no_token(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, settings: Settings
) -> None:
    old = bearer(settings, ana)
    await office.post(path(ana, "block/"))
    answer = await office.post(path(ana, "unblock/"))
    assert said(answer) == (200, {"message": "Cliente desbloqueado", "is_active": True})
    assert (await office.get("/api/auth/me/", headers=old)).status_code == 401
    assert (await office.post("/api/auth/login/", json={"username": "ana", "password": PASSWORD})).status_code == 200
    stored = await row(db, ana)
    assert (stored["is_active"], stored["blocked_at"]) == (True, None)
    assert [changes for *_, changes in await entries(db, "unblock")] == [{"is_active": [False, True]}]


async def test_unblocking_lifts_the_block_alone(office: httpx.AsyncClient, db: AsyncSession, ana: User) -> None:
    await db.execute(update(User).where(User.id == ana.id).values(is_active=False, email_verified=False))
    await db.commit()
    await office.post(path(ana, "block/"))
    answer = await office.post(path(ana, "unblock/"))
    assert said(answer) == (200, {"message": "Cliente desbloqueado", "is_active": False})
    login = await office.post("/api/auth/login/", json={"username": "ana", "password": PASSWORD})
    assert said(login) == (403, {"error": "email_not_verified", "email": "ana@example.com"})


@pytest.mark.parametrize(("method", "tail"), [("POST", "block/"), ("POST", "unblock/"), ("DELETE", "")])
async def test_nobody_blocks_or_deletes_staff_or_themselves(
    office: httpx.AsyncClient, db: AsyncSession, boss: User, method: str, tail: str
) -> None:
    for user in (await make_staff(db), await make_user(db, is_superuser=True), boss):
        before = await row(db, user)
        assert said(await office.request(method, path(user, tail))) == (403, PROTECTED)
        assert await row(db, user) == before


async def test_a_deleted_customer_is_gone_and_the_orders_stay(
    office: httpx.AsyncClient, db: AsyncSession, ana: User, boss: User, make_order: MakeOrder
) -> None:
    order = await make_order(ana)
    pair = (await office.post("/api/token/", json={"username": "ana", "password": PASSWORD})).json()
    answer = await office.delete(path(ana))
    assert (answer.status_code, answer.content) == (204, b"")
    me = await office.get("/api/auth/me/", headers={"Authorization": f"Bearer {pair['access']}"})
    assert said(me) == (401, {"detail": "User not found", "code": "user_not_found"})
    assert (await office.post("/api/token/refresh/", json={"refresh": pair["refresh"]})).status_code == 401
    assert (await office.delete(path(ana))).status_code == 404
    await db.commit()
    left = select(Order.user_id, Order.total, Order.recipient_name).where(Order.id == order.id)
    assert tuple((await db.execute(left)).one()) == (None, order.total, "Ana Paz")
    for table in (RefreshToken, Profile):
        of_ana = select(func.count()).where(table.user_id == ana.id)
        assert (await db.execute(of_ana)).scalar_one() == 0
    assert await entries(db, "delete") == [(boss.id, str(ana.id), {})]
