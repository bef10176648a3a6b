"""One's own data: all of it to take along, and erased on demand while the orders stay."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import registry
from app.db.models import Base
from app.domain.accounts.models import Profile, RefreshToken, User, VerificationCode
from app.domain.activity.models import ActivityLog
from app.domain.devices.models import DeviceToken, NotificationPreference
from app.domain.inventory.models import FinishedReservation, Reservation
from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.server import Relampago
from app.settings import Settings
from tests.customers.conftest import NOON, MakeOrder
from tests.factories import PASSWORD, bearer, make_staff, make_user

ME = "/api/auth/me/"
EXPORT = "/api/auth/me/export/"
Headers = dict[str, str]
HOLD = {
    "pool_id": 1,
    "promo_id": 2,
    "store_product_id": 3,
    "quantity": 1,
    "unit_price": Decimal("9.50"),
    "expires_at": NOON,
    "created_at": NOON,
}


@pytest.fixture
async def ana(db: AsyncSession) -> User:
    return await make_user(
        db,
        username="ana",
        email="ana@example.com",
        dni="30111222",
        admin_notes="nota secreta",
        location=(-34.5, -58.25),
        profile={"segments_override": ["new"]},
    )


@pytest.fixture
def headers(settings: Settings, ana: User) -> Headers:
    return bearer(settings, ana)


@pytest.fixture
async def lived(client: httpx.AsyncClient, db: AsyncSession, ana: User, make_order: MakeOrder) -> Order:
    """A row of everything that is stored about ana."""
    await client.post("/api/auth/login/", json={"username": "ana", "password": PASSWORD})
    await client.post("/api/auth/request-password-reset/", json={"email": "ana@example.com"})
    order = await make_order(ana)
    rows: list[tuple[Any, dict[str, Any]]] = [
        (OrderItem, {"order_id": order.id, "quantity": 1, "price": Decimal(100)}),
        (OrderEvent, {"order_id": order.id, "status": "paid", "by_id": ana.id, "cause": "test"}),
        (DeviceToken, {"user_id": ana.id, "token": "token-of-anas-phone", "platform": "android"}),
        (NotificationPreference, {"user_id": ana.id}),
        (Reservation, HOLD | {"user_id": ana.id, "token": uuid4()}),
        (FinishedReservation, HOLD | {"user_id": ana.id, "token": uuid4(), "promo_id": 4, "status": "expired"}),
    ]
    for table, values in rows:
        await db.execute(insert(table).values(**values))
    await db.commit()
    return order


async def test_an_export_has_everything_and_no_secret(
    client: httpx.AsyncClient, db: AsyncSession, app: Relampago, ana: User, lived: Order
) -> None:
    answer = await client.get(EXPORT, headers=bearer(app.state.settings, ana))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="relampago-{ana.id}.json"'
    told = answer.json()
    account = told["account"]
    assert (account["username"], account["email"], account["dni"]) == ("ana", "ana@example.com", "30111222")
    assert (account["latitude"], account["longitude"], account["segments_override"]) == (-34.5, -58.25, ["new"])
    sizes = {name: len(rows) for name, rows in told.items() if isinstance(rows, list)}
    assert sizes == dict.fromkeys((each.name for each in app.state.personal_data), 0) | {
        "sessions": 1,
        "codes": 1,
        "activity": 1,
        "devices": 1,
        "notification_preferences": 1,
        "reviews": 0,
        "holds": 2,
        "orders": 1,
    }
    assert (told["codes"][0]["purpose"], told["codes"][0]["email"]) == ("PASSWORD_RESET", "ana@example.com")
    assert (told["activity"][0]["action"], told["activity"][0]["ip_address"]) == ("login", "127.0.0.1")
    assert [hold["status"] for hold in told["holds"]] == ["active", "expired"] or told["holds"][0][
        "unit_price"
    ] == "9.50"
    order = told["orders"][0]
    assert (order["id"], order["total"], len(order["products"])) == (lived.id, "100.00", 1)
    assert [(move["status"], move["by"], move["cause"]) for move in order["timeline"]] == [("paid", ana.id, "test")]
    stored = (await db.execute(select(User.password_hash))).scalar_one()
    digest = (await db.execute(select(func.encode(VerificationCode.digest, "base64")))).scalar_one()
    for secret in (stored, digest, "nota secreta", "password", "digest", "salt", "admin_notes", "token_version"):
        assert secret not in answer.text


async def test_an_export_is_of_the_caller_alone(
    client: httpx.AsyncClient, db: AsyncSession, lived: Order, settings: Settings
) -> None:
    stranger = await make_user(db)
    told = (await client.get(EXPORT, headers=bearer(settings, stranger))).json()
    assert told["account"]["id"] == stranger.id
    assert [name for name, rows in told.items() if isinstance(rows, list) and rows] == []
    assert (await client.get(EXPORT)).status_code == 401


async def delete(client: httpx.AsyncClient, headers: Headers, **body: Any) -> httpx.Response:
    return await client.request("DELETE", ME, headers=headers, json={"password": PASSWORD} | body)


async def test_a_deleted_account_leads_to_nobody_and_its_orders_stay(
    client: httpx.AsyncClient, db: AsyncSession, ana: User, headers: Headers, lived: Order
) -> None:
    answer = await delete(client, headers)
    assert (answer.status_code, answer.content) == (204, b"")
    await db.commit()
    user = (await db.execute(select(User).execution_options(populate_existing=True))).scalar_one()
    assert user.id == ana.id
    assert user.username.startswith("deleted-")
    assert user.email == f"{user.username}@deleted.invalid"
    assert (user.first_name, user.last_name, user.dni, user.admin_notes) == ("", "", "", "")
    assert (user.is_active, user.email_verified, user.password_hash) == (False, False, "!")
    assert user.deleted_at is not None
    profile = (await db.execute(select(Profile.location, Profile.segments_override))).one()
    assert tuple(profile) == (None, None)
    for table in (RefreshToken, VerificationCode, DeviceToken, NotificationPreference):
        assert (await db.execute(select(func.count()).select_from(table))).scalar_one() == 0, table
    left = (await db.execute(select(Order.id, Order.user_id, Order.recipient_name))).one()
    assert tuple(left) == (lived.id, ana.id, "Ana Paz")


async def test_the_log_keeps_what_was_done_and_not_by_whom(
    client: httpx.AsyncClient, db: AsyncSession, ana: User, headers: Headers, lived: Order
) -> None:
    changes = {"email": ["old@example.com", "ana@example.com"]}
    values = {"user_id": None, "action": "update", "description": "x", "content_type": "user", "object_id": str(ana.id)}
    await db.execute(insert(ActivityLog).values(**values, changes=changes))
    await db.execute(insert(ActivityLog).values(**values | {"object_id": str(ana.id + 1)}, changes=changes))
    await db.commit()
    await delete(client, headers)
    await db.commit()
    rows = (await db.execute(select(ActivityLog).order_by(ActivityLog.id))).scalars().all()
    assert [(row.action, row.object_id, row.changes, row.ip_address) for row in rows] == [
        ("login", str(ana.id), {}, None),
        ("update", str(ana.id), {}, None),
        ("update", str(ana.id + 1), changes, None),
        ("delete", str(ana.id), {}, None),
    ]


async def test_nothing_opens_a_deleted_account(
    client: httpx.AsyncClient, db: AsyncSession, ana: User, headers: Headers, settings: Settings
) -> None:
    pair = (await client.post("/api/token/", json={"username": "ana", "password": PASSWORD})).json()
    await delete(client, headers)
    for access in (headers, {"Authorization": f"Bearer {pair['access']}"}):
        answer = await client.get(ME, headers=access)
        assert (answer.status_code, answer.json()["code"]) == (401, "user_not_found")
    assert (await client.post("/api/token/refresh/", json={"refresh": pair["refresh"]})).status_code == 401
    name = (await db.execute(select(User.username))).scalar_one()
    for login, password in (("ana", PASSWORD), ("ana@example.com", PASSWORD), (name, "!"), (name, PASSWORD)):
        body = {"username": login, "password": password}
        assert (await client.post("/api/auth/login/", json=body)).status_code == 401
    boss = bearer(settings, await make_staff(db))
    for method, tail in (("GET", ""), ("PATCH", ""), ("POST", "block/"), ("POST", "unblock/"), ("DELETE", "")):
        answer = await client.request(method, f"/api/auth/customers/{ana.id}/{tail}", headers=boss)
        assert answer.status_code == 404


async def test_name_and_address_are_free_again(client: httpx.AsyncClient, ana: User, headers: Headers) -> None:
    await delete(client, headers)
    form = {"username": "ana", "email": "ana@example.com", "first_name": "Ana", "last_name": "Paz"}
    answer = await client.post("/api/auth/register/", json=form | dict.fromkeys(("password", "password2"), PASSWORD))
    assert answer.status_code == 201
    assert answer.json()["user_id"] != ana.id


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"password": "x"}, "La contraseña actual es incorrecta"),
        ({"password": ""}, "password: This field may not be blank."),
        ({"password": None}, "password: This field may not be null."),
        ({"password": ["x"]}, "password: Not a valid string."),
    ],
)
async def test_the_password_is_needed(
    client: httpx.AsyncClient, ana: User, headers: Headers, body: Any, error: str
) -> None:
    answer = await delete(client, headers, **body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert (await client.get(ME, headers=headers)).json()["username"] == "ana"


async def test_a_body_and_a_token_are_needed(client: httpx.AsyncClient, headers: Headers) -> None:
    answer = await client.delete(ME, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "password: This field is required."})
    assert (await delete(client, {})).status_code == 401


@pytest.mark.parametrize("flags", [{"is_staff": True}, {"is_superuser": True}])
async def test_administration_stays(
    client: httpx.AsyncClient, db: AsyncSession, settings: Settings, flags: dict[str, bool]
) -> None:
    user = await make_user(db, username="boss", **flags)
    answer = await delete(client, bearer(settings, user))
    assert (answer.status_code, answer.json()) == (403, {"error": "Una cuenta de administración no se puede eliminar"})
    assert (await client.get(ME, headers=bearer(settings, user))).status_code == 200


class Letters:
    """A later domain with a row about each user."""

    name = "letters"

    def __init__(self) -> None:
        self.erased: list[tuple[int, bool]] = []

    async def export(self, session: AsyncSession, user_id: int) -> Any:
        return [{"to": (await session.execute(select(User.username).where(User.id == user_id))).scalar_one()}]

    async def erase(self, session: AsyncSession, user_id: int) -> None:
        self.erased.append((user_id, session.in_transaction()))


async def test_later_domains_take_part(
    client: httpx.AsyncClient, app: Relampago, ana: User, headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = Letters()
    monkeypatch.setitem(app.state._state, "personal_data", (letters,))
    assert (await client.get(EXPORT, headers=headers)).json()["letters"] == [{"to": "ana"}]
    await delete(client, headers)
    assert letters.erased == [(ana.id, True)]


# Every table that names users, and where an export tells of it or why none does.
TOLD = {
    "activity_log": "activity",
    "cart": "carts",
    "coupon_use": "the orders say which coupons were used",
    "device_token": "devices",
    "distribution_center": "who of the staff opened one, is the shop's affair",
    "dollar_rate": "who of the staff set a rate, is the shop's affair",
    "idempotency_key": "its answers are those of orders and payments",
    "mail": "mails",
    "notification_preference": "notification_preferences",
    "order_event": "the timelines of the orders",
    "orders": "orders",
    "payment": "payments",
    "payment_refund": "who of the staff gave money back, is the shop's affair",
    "profiles": "account",
    "promo_notification": "the pushes say which promotions somebody was told of",
    "push_log": "pushes",
    "refresh_tokens": "sessions",
    "reservation": "holds",
    "reservation_archive": "holds",
    "reservation_finished": "holds",
    "review": "reviews",
    "sheet_run": "who of the staff began one, is the shop's affair",
    "store": "whose a store is, is the shop's affair",
    "verification_codes": "codes",
    "webhook": "who of the staff subscribed, is the shop's affair",
}


def test_every_table_that_names_users_is_accounted_for() -> None:
    """A new one is exported, by `stored_about` or by a `PersonalData` in `server.py`, or it is said here why not."""
    registry.load()
    found = {
        table.name
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.name == "user_id" or any(key.column.table.name == "users" for key in column.foreign_keys)
    }
    assert found - set(TOLD) == set()


async def test_a_database_without_the_mark_cannot_be(db: AsyncSession, ana: User) -> None:
    with pytest.raises(Exception, match="deleted_is_inactive"):
        await db.execute(text("UPDATE users SET deleted_at = now()"))
