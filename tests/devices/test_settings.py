"""Settings: personal for staff, global for everybody else."""

from typing import Any

import pytest

from tests.devices.desk import Desk
from tests.factories import make_staff, make_user

DEFAULTS = {
    "new_order_notifications": True,
    "order_status_notifications": True,
    "payment_notifications": True,
    "low_stock_notifications": True,
    "email_notifications": True,
    "notification_start_hour": "08:00",
    "notification_end_hour": "22:00",
    "notification_sound": True,
}


async def read(desk: Desk, user: Any, path: str = "settings/") -> Any:
    answer = await desk.ask("GET", path, user)
    assert answer.status_code == 200
    body = answer.json()
    assert body["success"] is True
    return body["settings"]


async def test_everybody_begins_with_the_defaults(desk: Desk) -> None:
    assert await read(desk, await make_user(desk.db)) == DEFAULTS
    assert await read(desk, await make_staff(desk.db)) == DEFAULTS
    assert (await desk.ask("GET", "settings/")).status_code == 401


async def test_staff_change_their_own_and_what_is_absent_stays(desk: Desk) -> None:
    staff, colleague, user = await make_staff(desk.db), await make_staff(desk.db), await make_user(desk.db)
    changes = {"new_order_notifications": False, "notification_start_hour": "22:30", "notification_end_hour": "06:00"}
    answer = await desk.ask("PUT", "settings/", staff, changes)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "settings": DEFAULTS | changes})
    answer = await desk.ask("PUT", "settings/", staff, {"notification_sound": False})
    assert answer.json()["settings"] == DEFAULTS | changes | {"notification_sound": False}
    assert await read(desk, staff) == DEFAULTS | changes | {"notification_sound": False}
    assert (await desk.ask("PUT", "settings/", staff, {})).status_code == 200
    assert await read(desk, colleague) == DEFAULTS
    assert await read(desk, user) == DEFAULTS


async def test_what_staff_change_is_logged(desk: Desk) -> None:
    root = await make_user(desk.db, is_superuser=True)
    for path in ("settings/", "settings/?scope=global"):
        for _ in range(2):
            await desk.ask("PUT", path, root, {"notification_sound": False, "new_order_notifications": True})
    await desk.ask("PUT", "settings/", await make_user(desk.db), {"notification_sound": False})
    log = "SELECT user_id, action, content_type, object_id, changes FROM activity_log ORDER BY id"
    changes = {"notification_sound": [True, False]}
    assert [tuple(row) for row in await desk.rows(log)] == [
        (root.id, "update", "notificationsettings", object_id, changes) for object_id in (str(root.id), "0")
    ]


async def test_a_superuser_changes_the_global_ones_and_customers_see_them(desk: Desk) -> None:
    root, staff, user = await make_user(desk.db, is_superuser=True), await make_staff(desk.db), await make_user(desk.db)
    await desk.ask("PUT", "settings/", staff, {"email_notifications": False})
    changes = {"notification_start_hour": "00:00", "notification_end_hour": "23:59", "payment_notifications": False}
    answer = await desk.ask("PUT", "settings/?scope=global", root, changes)
    assert (answer.status_code, answer.json()) == (200, {"success": True, "settings": DEFAULTS | changes})
    assert await read(desk, user) == DEFAULTS | changes
    assert await read(desk, user, "settings/?scope=own") == DEFAULTS | changes
    assert await read(desk, staff, "settings/?scope=global") == DEFAULTS | changes
    # Who has settings of one's own keeps them; who has none follows the global ones.
    assert await read(desk, staff) == DEFAULTS | {"email_notifications": False}
    assert await read(desk, root) == DEFAULTS | changes
    assert len(await desk.rows("SELECT 1 FROM notification_preference WHERE user_id IS NULL")) == 1


async def test_rights_come_before_the_body(desk: Desk) -> None:
    staff, user = await make_staff(desk.db), await make_user(desk.db)
    nonsense = {"notification_start_hour": "late"}
    for path, who, status in (
        ("settings/", user, 403),
        ("settings/?scope=global", user, 403),
        ("settings/?scope=global", staff, 403),
        ("settings/", None, 401),
    ):
        answer = await desk.ask("PUT", path, who, nonsense)
        assert (answer.status_code, list(answer.json())) == (status, ["detail"])
    assert await desk.rows("SELECT 1 FROM notification_preference") == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"notification_start_hour": "8:00"}, ["notification_start_hour"]),
        (
            {"notification_start_hour": "24:00", "notification_end_hour": "12"},
            ["notification_start_hour", "notification_end_hour"],
        ),
        ({"notification_end_hour": "22:00:00"}, ["notification_end_hour"]),
        ({"notification_end_hour": None}, ["notification_end_hour"]),
        ({"notification_end_hour": 8}, ["notification_end_hour"]),
        ({"notification_sound": "loud"}, ["notification_sound"]),
        ({"email_notifications": None}, ["email_notifications"]),
    ],
)
async def test_bad_values_are_named_and_nothing_is_stored(desk: Desk, body: dict[str, Any], fields: list[str]) -> None:
    staff = await make_staff(desk.db)
    answer = await desk.ask("PUT", "settings/", staff, body | {"order_status_notifications": False})
    assert (answer.status_code, list(answer.json())) == (400, fields)
    assert await desk.rows("SELECT 1 FROM notification_preference") == []


async def test_an_unknown_scope_is_refused(desk: Desk) -> None:
    staff = await make_staff(desk.db)
    for method in ("GET", "PUT"):
        answer = await desk.ask(method, "settings/?scope=everybody", staff, {} if method == "PUT" else None)
        assert (answer.status_code, list(answer.json())) == (400, ["scope"])


async def test_the_switch_keeps_the_settings(desk: Desk) -> None:
    staff = await make_staff(desk.db)
    await desk.ask("PUT", "settings/", staff, {"notification_start_hour": "10:00"})
    await desk.ask("POST", "toggle/", staff, {"enabled": False})
    assert await read(desk, staff) == DEFAULTS | {"notification_start_hour": "10:00"}
    assert await desk.rows("SELECT enabled FROM notification_preference") == [(False,)]
    await desk.ask("PUT", "settings/", staff, {"notification_sound": False})
    assert await desk.rows("SELECT enabled FROM notification_preference") == [(False,)]
