"""Test pushes, and what people see of pushes."""

from typing import Any

import msgspec
import pytest

from app.domain.notifications.service.sending import open_sender
from app.server import Relampago
from tests.factories import make_staff, make_user
from tests.notifications.office import Office

SENT, NOT_SENT = "Notificación enviada", "No se pudo enviar la notificación"


async def test_a_test_push_reaches_every_device_of_the_caller(closed_office: Office) -> None:
    """At any hour: the caller asks for it."""
    office = closed_office
    user = await office.shopper("a", "b")
    await office.device(user, "off", is_active=False, inactive_reason="removed")
    await office.shopper("others")
    answer = await office.ask("POST", "send-test/", user, {"title": "Hola", "body": "¿Llegó?"})
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "message": SENT, "sent": 2, "failed": 0}
    pushes = list(office.sandbox.world.ledger.pushes.newest_first())
    assert {(push.token, push.title, push.body) for push in pushes} == {
        ("a", "Hola", "¿Llegó?"),
        ("b", "Hola", "¿Llegó?"),
    }
    assert pushes[0].data == {"type": "test"}


@pytest.mark.parametrize("body", [{}, {"title": "", "body": " "}, None])
async def test_without_words_it_has_default_ones(office: Office, body: Any) -> None:
    user = await office.shopper("a")
    assert (await office.ask("POST", "send-test/", user, body)).json()["sent"] == 1
    (push,) = office.sandbox.world.ledger.pushes.newest_first()
    assert (push.title, push.body) == ("Notificación de prueba", "Las notificaciones funcionan correctamente")


async def test_without_devices_it_says_so(office: Office) -> None:
    user = await office.shopper()
    answer = await office.ask("POST", "send-test/", user, {})
    assert answer.status_code == 200
    assert answer.json() == {"success": False, "message": "No hay dispositivos registrados", "sent": 0, "failed": 0}


async def test_a_test_push_has_a_bounded_text(office: Office) -> None:
    user = await office.shopper("a")
    answer = await office.ask("POST", "send-test/", user, {"title": "x" * 201, "body": "y" * 501})
    assert (answer.status_code, sorted(answer.json())) == (400, ["body", "title"])
    assert office.pushes() == []


async def test_a_failure_is_counted_and_shown(office: Office) -> None:
    user = await office.shopper("good", "unregistered-a", "unavail-b", "quota-c")
    answer = await office.ask("POST", "send-test/", user, {})
    assert answer.json() == {"success": True, "message": SENT, "sent": 1, "failed": 3}
    assert await office.states() == {
        "good": "sent",
        "unregistered-a": "failed",
        "unavail-b": "failed",
        "quota-c": "failed",
    }
    rows = await office.rows("SELECT token, inactive_reason FROM device_token WHERE NOT is_active")
    assert [tuple(row) for row in rows] == [("unregistered-a", "rejected")]


async def test_without_credentials_the_request_succeeds_and_the_log_says_why(
    office: Office, app: Relampago, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, staff = await office.shopper("a"), await make_staff(office.db)
    async with open_sender(msgspec.structs.replace(office.settings, google_service_account_file="")) as sender:
        monkeypatch.setitem(app.state._state, "push_sender", sender)
        answer = await office.ask("POST", "send-test/", user, {})
        assert (answer.status_code, answer.json()) == (
            200,
            {"success": False, "message": NOT_SENT, "sent": 0, "failed": 1},
        )
        (push,) = (await office.ask("GET", "history/", user)).json()["notifications"]
        assert (push["status"], push["sent_at"]) == ("failed", None)
        reason = await office.value("SELECT error_message FROM push_log")
        assert reason == "GOOGLE_SERVICE_ACCOUNT_FILE is not set"
        assert (await office.ask("GET", "debug/", staff)).json()["firebase_configured"] is False
    assert (await office.value("SELECT is_active FROM device_token")) is True


async def test_the_history_is_the_callers_newest_fifty(office: Office) -> None:
    user, other = await office.shopper("a"), await office.shopper("b")
    for n in range(52):
        await office.rows(
            "INSERT INTO push_log"
            " (device_token_id, user_id, notification_type, title, body, data, collapse_id, expires_at)"
            " SELECT id, user_id, 'general', :title, 'x', jsonb_build_object('n', '1'), 'c', now()"
            "   FROM device_token WHERE token = 'a'",
            title=f"Push {n}",
        )
    answer = await office.ask("GET", "history/", user)
    body = answer.json()
    assert (answer.status_code, body["success"], body["count"]) == (200, True, 50)
    assert [push["title"] for push in body["notifications"]] == [f"Push {n}" for n in range(51, 1, -1)]
    newest = body["notifications"][0]
    assert newest == {
        "id": newest["id"],
        "notification_type": "general",
        "title": "Push 51",
        "body": "x",
        "data": {"n": "1"},
        "status": "pending",
        "created_at": newest["created_at"],
        "sent_at": None,
    }
    assert (await office.ask("GET", "history/", other)).json() == {"success": True, "notifications": [], "count": 0}
    assert (await office.ask("GET", "history/")).status_code == 401


async def test_a_device_that_moved_leaves_its_history_with_its_first_user(office: Office) -> None:
    first, second = await office.shopper("a"), await office.shopper()
    await office.ask("POST", "send-test/", first, {"title": "Secret"})
    await office.ask("POST", "register-token/", second, {"token": "a", "platform": "ios"})
    assert (await office.ask("GET", "history/", second)).json()["count"] == 0
    assert (await office.ask("GET", "history/", first)).json()["notifications"][0]["title"] == "Secret"


async def test_debug_is_for_staff(office: Office) -> None:
    user, staff = await office.shopper("a"), await make_staff(office.db)
    await office.device(None, "nobodys")
    await office.device(user, "gone", is_active=False, inactive_reason="removed")
    for n in range(11):
        await office.ask("POST", "send-test/", user, {"title": f"Push {n}"})
    answer = await office.ask("GET", "debug/", staff)
    body = answer.json()
    assert answer.status_code == 200
    assert {name: body[name] for name in ("success", "firebase_configured", "total_tokens", "active_tokens")} == {
        "success": True,
        "firebase_configured": True,
        "total_tokens": 3,
        "active_tokens": 2,
    }
    assert [push["title"] for push in body["last_logs"]] == [f"Push {n}" for n in range(10, 0, -1)]
    assert {push["status"] for push in body["last_logs"]} == {"sent"}
    assert (await office.ask("GET", "debug/", user)).status_code == 403
    assert (await office.ask("GET", "debug/")).status_code == 401


async def test_a_push_that_arrived_is_marked_so_and_nothing_else(office: Office) -> None:
    user = await office.shopper("a", "unregistered-b")
    await office.ask("POST", "send-test/", user, {})
    message_id = await office.value("SELECT fcm_message_id FROM push_log WHERE state = 'sent'")
    before = await office.rows("SELECT id, state FROM push_log ORDER BY id")
    for body in (
        {},
        {"message_id": "unknown", "status": "delivered"},
        {"message_id": "", "status": "delivered"},
        {"message_id": message_id, "status": "failed"},
        {"message_id": message_id},
    ):
        answer = await office.ask("POST", "webhook/firebase/", None, body)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert await office.rows("SELECT id, state FROM push_log ORDER BY id") == before
    for name in (message_id, f"projects/any/messages/{message_id}"):
        answer = await office.ask("POST", "webhook/firebase/", None, {"message_id": name, "status": "delivered"})
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert await office.states() == {"a": "delivered", "unregistered-b": "failed"}
    assert {push["status"] for push in (await office.ask("GET", "history/", user)).json()["notifications"]} == {
        "delivered",
        "failed",
    }


@pytest.mark.parametrize("body", [{"message_id": "x" * 301}, {"status": ["delivered"]}, {"message_id": None}])
async def test_a_strange_word_from_a_device_changes_nothing(office: Office, body: Any) -> None:
    answer = await office.ask("POST", "webhook/firebase/", None, body)
    assert answer.status_code == 400


async def test_a_provider_is_not_called_inside_a_transaction(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await make_user(office.db)
    await office.device(user, "a")
    seen: list[int] = []
    send = office.sender.fcm.send

    async def look(*arguments: Any, **more: Any) -> Any:
        seen.append(
            await office.value(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND xact_start IS NOT NULL AND application_name LIKE 'relampago%'"
            )
        )
        return await send(*arguments, **more)

    monkeypatch.setattr(office.sender.fcm, "send", look)
    assert (await office.ask("POST", "send-test/", user, {})).json()["sent"] == 1
    assert seen == [0]
