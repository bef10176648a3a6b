"""Pushes about orders: staff hear of new ones, customers of what becomes of theirs."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert

from app.domain.accounts.models import User
from app.domain.devices.models import NotificationPreference
from app.domain.orders.models import Order, OrderEvent
from tests.factories import make_staff, make_user
from tests.notifications.office import Office, now

HOUR = dt.timedelta(hours=1)


async def make_order(office: Office, user: User | None = None, status: str = "pending", **fields: Any) -> int:
    values = {
        "user_id": user and user.id,
        "recipient_name": "Ana Gómez",
        "customer_email": "ana@example.com",
        "status": status,
        "subtotal": Decimal(1500),
        "total": Decimal(1500),
    }
    order_id = (await office.db.execute(insert(Order).values(values | fields).returning(Order.id))).scalar_one()
    await office.db.commit()
    await move(office, order_id, status)
    return int(order_id)


async def move(office: Office, order_id: int, status: str) -> None:
    await office.rows("UPDATE orders SET status = :status WHERE id = :id", status=status, id=order_id)
    await office.db.execute(insert(OrderEvent).values(order_id=order_id, status=status))
    await office.db.commit()


async def staff_with(office: Office, *tokens: str, **preference: Any) -> User:
    user = await make_staff(office.db)
    for token in tokens:
        await office.device(user, token)
    if preference:
        office.db.add(NotificationPreference(user_id=user.id, **preference))
        await office.db.commit()
    return user


async def told(office: Office) -> list[tuple[str, str, str]]:
    pushes = list(office.sandbox.world.ledger.pushes.newest_first())[::-1]
    return [(push.token, push.title, push.body) for push in pushes]


async def test_staff_hear_of_a_new_order_once(office: Office) -> None:
    await staff_with(office, "s1", "s2")
    await office.shopper("customer")
    root = await make_user(office.db, is_superuser=True)
    await office.device(root, "root")
    blocked = await staff_with(office, "blocked")
    await office.rows("UPDATE users SET is_active = false WHERE id = :id", id=blocked.id)
    order = await make_order(office)
    for expected in (3, 0):
        assert await office.run("notifications:order_created", order_id=order) == expected
        await office.drain()
    text = (f"Nuevo pedido #{order}", "Ana Gómez · $ 1.500,00")
    assert sorted(await told(office)) == [("root", *text), ("s1", *text), ("s2", *text)]
    push = next(office.sandbox.world.ledger.pushes.newest_first())
    assert push.data == {"type": "new_order", "order_id": str(order), "status": "pending"}
    kinds = await office.rows("SELECT DISTINCT notification_type, state, collapse_id FROM push_log")
    assert [tuple(kind) for kind in kinds] == [("new_order", "sent", f"order-{order}")]


async def test_a_push_bears_the_day_of_what_it_tells(office: Office) -> None:
    """Whenever the job runs: a run on another day finds the push of the first one, which lies under the event's day."""
    await staff_with(office, "s1")
    order = await make_order(office)
    await office.rows("UPDATE order_event SET at = at - interval '3 days'")
    for expected in (1, 0):
        assert await office.run("notifications:order_created", order_id=order) == expected
    days = await office.rows("SELECT sent_date = (now() AT TIME ZONE 'UTC')::date - 3 FROM push_log")
    assert [tuple(day) for day in days] == [(True,)]


async def test_who_does_not_want_to_hear_does_not(office: Office) -> None:
    await staff_with(office, "no", new_order_notifications=False, notification_start_hour="00:00")
    yes = {"notification_start_hour": "00:00", "notification_end_hour": "23:59"}
    await staff_with(office, "yes", **yes)
    order = await make_order(office)
    assert await office.run("notifications:order_created", order_id=order) == 1
    await office.drain()
    assert office.pushes() == ["yes"]


async def test_staff_are_told_in_their_own_hours(office: Office) -> None:
    local = dt.datetime.now(office.settings.zone)
    start, end = f"{local + 2 * HOUR:%H:%M}", f"{local + 3 * HOUR:%H:%M}"
    await staff_with(office, "later", notification_start_hour=start, notification_end_hour=end)
    order = await make_order(office)
    assert await office.run("notifications:order_created", order_id=order) == 1
    await office.drain()
    await office.run("notifications:sweep")
    assert office.pushes() == []
    ((due_at, expires_at),) = await office.rows("SELECT due_at, expires_at FROM push_log")
    assert due_at.astimezone(office.settings.zone).strftime("%H:%M:%S") == f"{start}:00"
    assert dt.timedelta(hours=1) <= expires_at - due_at <= HOUR
    await office.later()
    await office.run("notifications:sweep")
    assert office.pushes() == ["later"]


@pytest.mark.parametrize(
    ("status", "kind", "title"),
    [
        ("paid", "payment_received", "Pago recibido"),
        ("shipped", "order_shipped", "Pedido en camino"),
        ("cancelled", "order_update", "Pedido cancelado"),
    ],
)
async def test_a_customer_hears_of_every_move_once(office: Office, status: str, kind: str, title: str) -> None:
    customer = await office.shopper("c1", "c2")
    await staff_with(office, "staff")
    order = await make_order(office, customer)
    await move(office, order, status)
    for expected in (2, 0):
        assert await office.run("notifications:order_moved", order_id=order) == expected
        await office.drain()
    assert sorted(token for token, _, _ in await told(office)) == ["c1", "c2"]
    kinds = await office.rows("SELECT DISTINCT notification_type, title FROM push_log")
    assert [tuple(row) for row in kinds] == [(kind, title)]
    # Another move is other news.
    await move(office, order, "pending")
    assert await office.run("notifications:order_moved", order_id=order) == 2


async def test_what_is_no_news_or_nobodys(office: Office) -> None:
    customer = await office.shopper("c")
    for status in ("archived", "abandoned"):
        order = await make_order(office, customer, status)
        assert await office.run("notifications:order_moved", order_id=order) == 0
    order = await make_order(office, None, "paid")
    assert await office.run("notifications:order_moved", order_id=order) == 0
    assert await office.value("SELECT count(*) FROM push_log") == 0


async def test_the_global_settings_speak_for_customers(closed_office: Office) -> None:
    office = closed_office
    await office.rows(
        "INSERT INTO notification_preference (payment_notifications, notification_start_hour, notification_end_hour)"
        " VALUES (false, '00:00', '23:59')"
    )
    customer = await office.shopper("c")
    paid, shipped = await make_order(office, customer, "paid"), await make_order(office, customer, "shipped")
    assert await office.run("notifications:order_moved", order_id=paid) == 0
    assert await office.run("notifications:order_moved", order_id=shipped) == 1
    await office.rows("UPDATE notification_preference SET order_status_notifications = false")
    await move(office, shipped, "cancelled")
    assert await office.run("notifications:order_moved", order_id=shipped) == 0


async def test_trigger_order_tells_staff_again_and_says_how_many(office: Office) -> None:
    staff = await staff_with(office, "s1", "unavail-s2")
    order = await make_order(office)
    await office.run("notifications:order_created", order_id=order)
    await office.drain()
    answer = await office.ask("POST", "trigger-order/", staff, {"order_id": order})
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": "Notificación enviada", "sent": 1}
    assert office.pushes() == ["s1", "s1"]


async def test_trigger_order_without_a_device(office: Office) -> None:
    staff = await make_staff(office.db)
    answer = await office.ask("POST", "trigger-order/", staff, {"order_id": await make_order(office)})
    assert answer.json() == {"success": False, "message": "No hay dispositivos registrados", "sent": 0}


async def test_trigger_order_is_for_staff_and_for_orders(office: Office) -> None:
    staff, user = await staff_with(office, "s"), await office.shopper("c")
    order = await make_order(office)
    temporary = await make_order(office, is_temporary=True)
    for who, body, status in (
        (user, {"order_id": order}, 403),
        (None, {"order_id": order}, 401),
        (staff, {}, 400),
        (staff, {"order_id": "x"}, 400),
        (staff, {"order_id": temporary}, 404),
        (staff, {"order_id": 2**62}, 404),
    ):
        answer = await office.ask("POST", "trigger-order/", who, body)
        assert answer.status_code == status
    assert office.pushes() == []
    assert await office.value("SELECT count(*) FROM push_log") == 0


async def test_the_latest_order(office: Office) -> None:
    staff, user = await make_staff(office.db), await office.shopper()
    answer = await office.ask("GET", "latest-order-info/", staff)
    assert answer.json() == {"success": True, "order": None}
    await make_order(office, created_at=now() - HOUR)
    latest = await make_order(office, status="paid", recipient_name="Beto")
    await make_order(office, is_temporary=True)
    body = (await office.ask("GET", "latest-order-info/", staff)).json()
    assert body["order"] == {
        "id": latest,
        "recipient_name": "Beto",
        "total": "1500.00",
        "status": "paid",
        "created_at": body["order"]["created_at"],
    }
    assert (await office.ask("GET", "latest-order-info/", user)).status_code == 403
    assert (await office.ask("GET", "latest-order-info/")).status_code == 401
