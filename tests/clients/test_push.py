"""What goes over the wire for one push."""

import msgspec

from app.clients.fcm import Push


def test_a_push_reaches_every_platform_and_collapses_on_each() -> None:
    push = Push(
        title="Pedido #1042",
        body="Tu pedido está en camino",
        collapse_id="order-1042",
        data={"type": "order_status", "order_id": "1042"},
        image="https://cdn.shop.test/n.png",
        channel_id="orders",
    )
    assert msgspec.json.decode(push.encoded("fGx3:APA91bH")) == {
        "message": {
            "token": "fGx3:APA91bH",
            "notification": {
                "title": "Pedido #1042",
                "body": "Tu pedido está en camino",
                "image": "https://cdn.shop.test/n.png",
            },
            "data": {"type": "order_status", "order_id": "1042"},
            "android": {
                "collapse_key": "order-1042",
                "priority": "HIGH",
                "ttl": "3600s",
                "notification": {"tag": "order-1042", "channel_id": "orders"},
            },
            "apns": {"headers": {"apns-priority": "10", "apns-collapse-id": "order-1042"}},
            "webpush": {
                "headers": {"TTL": "3600", "Urgency": "high"},
                "notification": {"title": "Pedido #1042", "body": "Tu pedido está en camino", "tag": "order-1042"},
            },
        }
    }


def test_what_is_not_given_is_not_sent() -> None:
    message = msgspec.json.decode(Push(title="a", body="b", collapse_id="c", ttl_seconds=60).encoded("t"))["message"]
    assert message["notification"] == {"title": "a", "body": "b"}
    assert message["android"] == {
        "collapse_key": "c",
        "priority": "HIGH",
        "ttl": "60s",
        "notification": {"tag": "c"},
    }


def test_texts_cannot_leave_their_place() -> None:
    evil = 'x"},"topic":"all'
    push = Push(title=evil, body="\x00token\n", collapse_id="c", data={evil: evil})
    content = msgspec.json.decode(push.encoded(evil))
    assert list(content) == ["message"]
    assert content["message"]["token"] == evil
    assert content["message"]["notification"] == {"title": evil, "body": "\x00token\n"}
    assert content["message"]["data"] == {evil: evil}
    assert "topic" not in content["message"]


def test_one_push_is_encoded_for_many_tokens() -> None:
    push = Push(title="a", body="b", collapse_id="c")
    first, second = push.encoded("one"), push.encoded("two")
    assert first.replace(b'"one"', b'"two"') == second
    assert msgspec.json.decode(push.encoded("one", validate_only=True)) == {
        **msgspec.json.decode(first),
        "validate_only": True,
    }
