"""FCM as FCM answers: every body here is a sample of Google's, to the letter."""

from typing import Any

import httpx
import pytest

from sandbox.google_api import EXPIRED, MISSING
from sandbox.server import Sandbox

PATH = "/fcm/v1/projects/relampago-sandbox/messages:send"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
EVERYTHING: dict[str, Any] = {
    "token": "fGx3:APA91bH",
    "notification": {
        "title": "Pedido #1042",
        "body": "Tu pedido está en camino",
        "image": "https://cdn.shop.test/n.png",
    },
    "data": {"type": "order_status", "order_id": "1042", "status": "shipped"},
    "android": {
        "collapse_key": "order-1042",
        "priority": "HIGH",
        "ttl": "3600s",
        "notification": {
            "channel_id": "orders",
            "click_action": "OPEN_ORDER",
            "tag": "order-1042",
            "sound": "default",
            "icon": "ic_stat",
            "color": "#0A66C2",
        },
    },
    "apns": {
        "headers": {"apns-priority": "10", "apns-expiration": "1760003600", "apns-collapse-id": "order-1042"},
        "payload": {"aps": {"sound": "default", "badge": 1, "thread-id": "orders"}},
    },
    "webpush": {
        "headers": {"TTL": "3600", "Urgency": "high"},
        "notification": {"title": "Pedido #1042", "icon": "https://shop.test/icon.png"},
        "fcm_options": {"link": "https://shop.test/pedidos/1042"},
    },
    "fcm_options": {"analytics_label": "order_status"},
}


def error(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def fcm(code: str) -> dict[str, Any]:
    return {"@type": FCM_ERROR, "errorCode": code}


async def send(web: httpx.AsyncClient, message: Any, **more: Any) -> httpx.Response:
    return await web.post(PATH, json={"message": message, **more})


async def test_a_message_with_everything(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await send(signed_in, EVERYTHING, validate_only=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert list(answer.json()) == ["name"]
    prefix, _, name = answer.json()["name"].rpartition("/")
    assert prefix == "projects/relampago-sandbox/messages"
    assert name.startswith("0:")
    (push,) = (await signed_in.get("/pushes.json")).json()
    assert push == {
        "token": "fGx3:APA91bH",
        "title": "Pedido #1042",
        "body": "Tu pedido está en camino",
        "data": {"type": "order_status", "order_id": "1042", "status": "shipped"},
        "sent_at": push["sent_at"],
    }
    assert sandbox.world.ledger.pushes.total == 1


async def test_camel_case_is_the_same(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    message = {
        "token": "t",
        "android": {"collapseKey": "c", "notification": {"channelId": "orders", "clickAction": "OPEN"}},
        "fcmOptions": {"analyticsLabel": "x"},
    }
    assert (await send(signed_in, message)).status_code == 200
    assert (await send(signed_in, message, validateOnly=True)).json() == {
        "name": "projects/relampago-sandbox/messages/fake_message_id"
    }
    assert sandbox.world.ledger.pushes.total == 1


@pytest.mark.parametrize(
    ("token", "status", "expected"),
    [
        (
            "unregistered-1",
            404,
            error(404, "NOT_FOUND", "Requested entity was not found.", fcm("UNREGISTERED")),
        ),
        (
            "invalid-1",
            400,
            error(
                400,
                "INVALID_ARGUMENT",
                "The registration token is not a valid FCM registration token",
                fcm("INVALID_ARGUMENT"),
            ),
        ),
        ("mismatch-1", 403, error(403, "PERMISSION_DENIED", "SenderId mismatch", fcm("SENDER_ID_MISMATCH"))),
        (
            "quota-1",
            429,
            error(
                429,
                "RESOURCE_EXHAUSTED",
                "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute' of service "
                "'fcm.googleapis.com' for consumer 'project_number:1234567890'.",
                fcm("QUOTA_EXCEEDED"),
            ),
        ),
        (
            "unavail-1",
            503,
            error(503, "UNAVAILABLE", "The service is currently unavailable.", fcm("UNAVAILABLE")),
        ),
    ],
)
async def test_tokens_that_fail(
    signed_in: httpx.AsyncClient, sandbox: Sandbox, token: str, status: int, expected: dict[str, Any]
) -> None:
    for validate_only in (False, True):
        answer = await send(signed_in, {"token": token}, validate_only=validate_only)
        assert answer.status_code == status
        assert answer.json() == expected
        assert list(answer.json()["error"]) == ["code", "message", "status", "details"]
        assert answer.headers.get("retry-after") == ("60" if status == 429 else None)
    assert sandbox.world.ledger.pushes.total == 0


async def test_apples_refusal(signed_in: httpx.AsyncClient) -> None:
    answer = await send(signed_in, {"token": "thirdparty-1"})
    assert answer.status_code == 401
    fault, apns = answer.json()["error"]["details"]
    assert fault == fcm("THIRD_PARTY_AUTH_ERROR")
    assert apns == {
        "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
        "statusCode": 403,
        "reason": "BadEnvironmentKeyInToken",
    }


async def test_a_token_that_fails_three_times(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    codes = [(await send(signed_in, {"token": "unavail-x:3"})).status_code for _ in range(5)]
    assert codes == [503, 503, 503, 200, 200]
    assert sandbox.world.ledger.pushes.total == 2


async def test_a_word_alone_is_a_token_like_any(signed_in: httpx.AsyncClient) -> None:
    for token in ("unregistered", "invalidate", "quotas-1", "unavail"):
        assert (await send(signed_in, {"token": token})).status_code == 200


@pytest.mark.parametrize(
    ("message", "field", "text"),
    [
        (
            {"token": "t", "data": {"order_id": 12}},
            "message.data[0].value",
            "Invalid value at 'message.data[0].value' (TYPE_STRING), 12",
        ),
        (
            {"token": "t", "data": {"a": "1", "paid": True}},
            "message.data[1].value",
            "Invalid value at 'message.data[1].value' (TYPE_STRING), true",
        ),
        (
            {"token": "t", "foo": 1},
            "message",
            "Invalid JSON payload received. Unknown name \"foo\" at 'message': Cannot find field.",
        ),
        (
            {"token": "t", "apns": {"header": {}}},
            "message.apns",
            "Invalid JSON payload received. Unknown name \"header\" at 'message.apns': Cannot find field.",
        ),
        ({"token": 7}, "message.token", "Invalid value at 'message.token' (TYPE_STRING), 7"),
        (
            {"token": "t", "notification": "hi"},
            "message.notification",
            "Invalid value at 'message.notification' (type.googleapis.com/google.firebase.fcm.v1.Notification), \"hi\"",
        ),
        (
            {"token": "t", "android": {"notification": {"body_loc_args": ["a", 1]}}},
            "message.android.notification.body_loc_args[1]",
            "Invalid value at 'message.android.notification.body_loc_args[1]' (TYPE_STRING), 1",
        ),
        (
            {"token": "t", "android": {"direct_boot_ok": "yes"}},
            "message.android.direct_boot_ok",
            "Invalid value at 'message.android.direct_boot_ok' (TYPE_BOOL), \"yes\"",
        ),
    ],
)
async def test_bodies_that_do_not_fit(
    signed_in: httpx.AsyncClient, sandbox: Sandbox, message: dict[str, Any], field: str, text: str
) -> None:
    answer = await send(signed_in, message)
    assert answer.status_code == 400
    violation = {"field": field, "description": text}
    assert answer.json() == error(400, "INVALID_ARGUMENT", text, {"@type": BAD_REQUEST, "fieldViolations": [violation]})
    assert sandbox.world.ledger.pushes.total == 0


async def test_fields_beside_the_message(signed_in: httpx.AsyncClient) -> None:
    answer = await send(signed_in, {"token": "t"}, foo=1)
    assert answer.status_code == 400
    text = 'Invalid JSON payload received. Unknown name "foo": Cannot find field.'
    assert answer.json()["error"]["message"] == text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"5", b'{"message": []}', b"\xff"])
async def test_malformed_bodies(signed_in: httpx.AsyncClient, content: bytes) -> None:
    answer = await signed_in.post(PATH, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "message"),
        ({"token": ""}, "message"),
        ({"notification": {"title": "a"}}, "message"),
        ({"token": "t", "topic": "news"}, "message"),
        ({"token": "t", "data": {"from": "x"}}, "message.data[0].key"),
        ({"token": "t", "data": {"a": "1", "google.x": "x"}}, "message.data[1].key"),
        ({"token": "t", "data": {"message_type": "x"}}, "message.data[0].key"),
        ({"token": "t", "data": {"gcm.notification.x": "x"}}, "message.data[0].key"),
        ({"token": "t", "data": {"a": "b" * 4096}}, "message"),
        ({"token": "t", "data": {"a": "ñ" * 2048}}, "message"),
        ({"topic": "news", "data": {"a": "b" * 2048}}, "message"),
        ({"token": "t", "android": {"ttl": "3600"}}, "message.android.ttl"),
        ({"token": "t", "android": {"ttl": "2419201s"}}, "message.android.ttl"),
        ({"token": "t", "webpush": {"fcm_options": {"link": "http://a"}}}, "message.webpush.fcm_options.link"),
    ],
)
async def test_messages_that_break_a_rule(
    signed_in: httpx.AsyncClient, sandbox: Sandbox, message: dict[str, Any], field: str
) -> None:
    answer = await send(signed_in, message)
    assert answer.status_code == 400
    fault, bad = answer.json()["error"]["details"]
    assert fault == fcm("INVALID_ARGUMENT")
    assert [violation["field"] for violation in bad["fieldViolations"]] == [field]
    assert sandbox.world.ledger.pushes.total == 0


@pytest.mark.parametrize(
    "message",
    [
        {"token": "t", "data": {"a": "b" * 4095}},
        {"topic": "news", "data": {"a": "b" * 2047}},
        {"condition": "'a' in topics"},
        {"token": "t", "data": {"fromage": "x"}},
        {"token": "t", "android": {"ttl": "2419200s"}},
        {"token": "t", "android": {"ttl": "0.5s"}},
        {"token": "t", "notification": None},
    ],
)
async def test_messages_at_the_limit(signed_in: httpx.AsyncClient, message: dict[str, Any]) -> None:
    assert (await send(signed_in, message)).status_code == 200


async def test_access(web: httpx.AsyncClient, sandbox: Sandbox) -> None:
    answer = await send(web, {"token": "t"})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"] == MISSING
    for value in ("Bearer ya29.c.unknown", "Bearer", "Basic YTpi"):
        web.headers["Authorization"] = value
        assert (await send(web, {"token": "t"})).status_code == 401


async def test_a_token_that_ran_out(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.world.access_tokens.update(dict.fromkeys(sandbox.world.access_tokens, (0.0, frozenset())))
    answer = await send(signed_in, {"token": "t"})
    assert answer.status_code == 401
    assert answer.json() == error(
        401,
        "UNAUTHENTICATED",
        EXPIRED,
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_EXPIRED",
            "domain": "googleapis.com",
        },
    )


async def test_a_token_for_something_else(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sheets = frozenset({"https://www.googleapis.com/auth/spreadsheets"})
    sandbox.world.access_tokens.update(dict.fromkeys(sandbox.world.access_tokens, (1e12, sheets)))
    assert (await send(signed_in, {"token": "t"})).status_code == 403


async def test_another_project(signed_in: httpx.AsyncClient) -> None:
    answer = await signed_in.post("/fcm/v1/projects/other/messages:send", json={"message": {"token": "t"}})
    assert answer.status_code == 403
    assert answer.json()["error"]["status"] == "PERMISSION_DENIED"
    assert "cloudmessaging.messages.create" in answer.json()["error"]["message"]


async def test_paths_that_fcm_does_not_have(signed_in: httpx.AsyncClient, sandbox: Sandbox) -> None:
    assert (await signed_in.post("/fcm/send", json={})).status_code == 404
    assert (await signed_in.get("/__emu__/requests?provider=fcm")).json()[0]["path"] == "/fcm/send"
