"""Devices come, move, go, and are switched off."""

import asyncio
from typing import Any

import pytest

from app.domain.devices import rules
from tests.devices.desk import Desk
from tests.factories import make_user


async def test_a_device_of_an_account(desk: Desk) -> None:
    user = await make_user(desk.db)
    answer = await desk.register(
        user, "fGx3:APA91b-one", platform="ios", device_info={"model": "iPhone", "os": [17, 1]}
    )
    body = answer.json()
    assert answer.status_code == 200
    assert body == {"success": True, "message": "Token registrado", "device_id": body["device_id"], "created": True}
    (device,) = await desk.devices(user)
    assert device == {
        "id": body["device_id"],
        "token": "fGx3:APA91b-one",
        "platform": "ios",
        "device_info": {"model": "iPhone", "os": [17, 1]},
        "is_active": True,
        "created_at": device["created_at"],
        "last_used": device["last_used"],
    }
    assert device["created_at"].endswith("Z")
    assert await desk.jobs() == ["notifications:device_ready"]


async def test_a_second_call_updates_the_record(desk: Desk) -> None:
    user = await make_user(desk.db)
    first = (await desk.register(user, "one", device_info={"a": 1})).json()
    again = (await desk.register(user, "one", platform="web")).json()
    assert again == first | {"created": False}
    (device,) = await desk.devices(user)
    assert (device["platform"], device["device_info"]) == ("web", {"a": 1})
    await desk.register(user, "one", device_info={"b": None})
    (device,) = await desk.devices(user)
    assert (device["platform"], device["device_info"]) == ("android", {"b": None})


async def test_a_token_moves_to_its_new_user(desk: Desk) -> None:
    before, after = await make_user(desk.db), await make_user(desk.db)
    first = (await desk.register(before, "one")).json()
    moved = (await desk.register(after, "one")).json()
    assert moved == first | {"created": False}
    assert await desk.devices(before) == []
    assert await desk.active(after) == ["one"]


async def test_without_an_account_a_token_is_nobodys_until_somebody_signs_in(desk: Desk) -> None:
    first = (await desk.register(None, "one")).json()
    assert first["created"] is True
    assert (await desk.register(None, "one", platform="web")).json() == first | {"created": False}
    assert await desk.owner("one") is None
    user = await make_user(desk.db)
    assert (await desk.register(user, "one")).json() == first | {"created": False}
    assert await desk.owner("one") == user.id
    assert await desk.rows("SELECT registered_from FROM device_token") == [(None,)]


async def test_an_anonymous_caller_takes_no_token_away_and_changes_nothing(desk: Desk) -> None:
    user = await make_user(desk.db)
    mine = (await desk.register(user, "one", device_info={"a": 1})).json()
    before = await desk.stored()
    answer = await desk.register(None, "one", platform="web", device_info={"evil": True})
    assert (answer.status_code, answer.json()) == (200, mine | {"created": False})
    assert await desk.stored() == before
    # Nor does it wake up one that its owner has removed.
    await desk.ask("DELETE", "remove-token/", user, {"token": "one"})
    await desk.register(None, "one")
    assert await desk.active(user) == []


async def test_a_bad_access_token_is_no_anonymous_caller(desk: Desk) -> None:
    answer = await desk.client.post(
        "/api/notifications/register-token/",
        json={"token": "one", "platform": "web"},
        headers={"Authorization": "Bearer nonsense"},
    )
    assert answer.status_code == 401
    assert await desk.rows("SELECT 1 FROM device_token") == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "token: This field is required."),
        ({"platform": "ios"}, "token: This field is required."),
        ({"token": "one"}, "platform: This field is required."),
        ({"token": "  ", "platform": "ios"}, "token: This field may not be blank."),
        ({"token": None, "platform": "ios"}, "token: This field may not be null."),
        ({"token": "x" * 513, "platform": "ios"}, "token: Ensure this field has no more than 512 characters."),
        ({"token": "a\u0000b", "platform": "ios"}, "token: Null characters are not allowed."),
        ({"token": ["one"], "platform": "ios"}, "token: Not a valid string."),
        ({"token": "one", "platform": "windows"}, 'platform: "windows" is not a valid choice.'),
        (
            {"token": "one", "platform": "ios", "device_info": {"x": "y" * 4096}},
            "device_info: Ensure this field has no more than 4096 bytes of JSON.",
        ),
        (
            {"token": "one", "platform": "ios", "device_info": "a\u0000"},
            "device_info: Null characters are not allowed.",
        ),
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
async def test_what_is_refused_is_said_in_one_line(
    desk: Desk, body: dict[str, Any], error: str, signed_in: bool
) -> None:
    user = await make_user(desk.db) if signed_in else None
    answer = await desk.ask("POST", "register-token/", user, body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert await desk.rows("SELECT 1 FROM device_token") == []


async def test_nobody_fills_the_table(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.domain.devices.service.devices.NEW_A_DAY", 3)
    monkeypatch.setattr("app.domain.devices.service.devices.NEW_ANONYMOUS_A_DAY", 2)
    user, other = await make_user(desk.db), await make_user(desk.db)
    too_many = {"error": "Demasiados dispositivos nuevos: intente mañana", "code": "too_many_devices"}
    for who, most in ((user, 3), (None, 2)):
        name = "own" if who else "anonymous"
        # All at once: who counts, counts alone.
        answers = await asyncio.gather(*(desk.register(who, f"{name}-{n}") for n in range(most + 3)))
        assert sorted(answer.status_code for answer in answers) == [200] * most + [400] * 3
        assert [answer.json() for answer in answers if answer.status_code == 400] == [too_many] * 3
    # What is known is no new device, neither another's nor the own.
    (known,) = [device["token"] for device in (await desk.devices(user))[:1]]
    assert (await desk.register(user, known)).status_code == 200
    assert (await desk.register(other, "other")).status_code == 200
    assert (await desk.register(user, "other")).status_code == 200
    # Yesterday's do not count.
    await desk.rows("UPDATE device_token SET created_at = created_at - interval '25 hours'")
    assert (await desk.register(user, "own-new")).status_code == 200
    assert (await desk.register(None, "anonymous-new")).status_code == 200


async def test_pushes_go_to_the_devices_used_last(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.domain.devices.service.devices.ACTIVE_DEVICES", 3)
    user = await make_user(desk.db)
    for token in ("a", "b", "c", "a", "d", "e"):
        await desk.register(user, token)
    assert await desk.active(user) == ["e", "d", "a"]
    assert [device["token"] for device in await desk.devices(user)] == ["e", "d", "a", "c", "b"]
    await desk.register(user, "b")
    assert await desk.active(user) == ["b", "e", "d"]
    # A shop's panel on hundreds of devices is one user too.
    assert rules.ACTIVE_DEVICES >= 500
    assert rules.NEW_A_DAY >= 500


async def test_a_device_that_is_removed_stays_as_an_inactive_one(desk: Desk) -> None:
    user = await make_user(desk.db)
    await desk.register(user, "one")
    for _ in range(2):
        answer = await desk.ask("DELETE", "remove-token/", user, {"token": "one"})
        assert (answer.status_code, answer.json()) == (200, {"success": True, "message": "Token eliminado"})
    (device,) = await desk.devices(user)
    assert device["is_active"] is False
    await desk.register(user, "one")
    assert await desk.active(user) == ["one"]


async def test_a_foreign_or_unknown_device_cannot_be_removed(desk: Desk) -> None:
    owner, other = await make_user(desk.db), await make_user(desk.db)
    await desk.register(owner, "one")
    await desk.register(None, "nobodys")
    before = await desk.stored()
    for token in ("one", "nobodys", "unknown"):
        answer = await desk.ask("DELETE", "remove-token/", other, {"token": token})
        assert (answer.status_code, answer.json()) == (404, {"error": "Token no encontrado"})
    assert (await desk.ask("DELETE", "remove-token/", other, {})).json() == {"token": ["This field is required."]}
    assert (await desk.ask("DELETE", "remove-token/", None, {"token": "one"})).status_code == 401
    assert await desk.stored() == before


async def test_the_switch_turns_all_devices_off_and_on(desk: Desk) -> None:
    user, other = await make_user(desk.db), await make_user(desk.db)
    for token in ("a", "b", "gone", "bad"):
        await desk.register(user, token)
    await desk.register(other, "others")
    await desk.ask("DELETE", "remove-token/", user, {"token": "gone"})
    await desk.rows("UPDATE device_token SET is_active = false, inactive_reason = 'rejected' WHERE token = 'bad'")
    for enabled, active in ((False, set()), (False, set()), (True, {"a", "b"}), (True, {"a", "b"})):
        answer = await desk.ask("POST", "toggle/", user, {"enabled": enabled})
        assert (answer.status_code, answer.json()) == (200, {"success": True, "enabled": enabled})
        assert set(await desk.active(user)) == active
        assert await desk.rows("SELECT enabled FROM notification_preference WHERE user_id = :u", u=user.id) == [
            (enabled,)
        ]
    assert await desk.active(other) == ["others"]


async def test_a_device_that_comes_while_notifications_are_off_waits(desk: Desk) -> None:
    user = await make_user(desk.db)
    await desk.ask("POST", "toggle/", user, {"enabled": False})
    assert (await desk.register(user, "one")).json()["created"] is True
    assert await desk.active(user) == []
    assert await desk.jobs() == []
    await desk.ask("POST", "toggle/", user, {"enabled": True})
    assert await desk.active(user) == ["one"]


@pytest.mark.parametrize("body", [{}, {"enabled": None}, {"enabled": "perhaps"}, {"enabled": 2}])
async def test_the_switch_needs_a_boolean(desk: Desk, body: dict[str, Any]) -> None:
    user = await make_user(desk.db)
    answer = await desk.ask("POST", "toggle/", user, body)
    assert answer.status_code == 400
    assert list(answer.json()) == ["enabled"]
    assert await desk.rows("SELECT 1 FROM notification_preference") == []


async def test_registrations_and_switches_at_once_end_consistently(desk: Desk) -> None:
    user = await make_user(desk.db)
    for n in range(5):
        await asyncio.gather(
            desk.register(user, f"a{n}"),
            desk.ask("POST", "toggle/", user, {"enabled": False}),
            desk.register(user, f"b{n}"),
        )
        assert await desk.active(user) == []
        await desk.ask("POST", "toggle/", user, {"enabled": True})
        assert len(await desk.active(user)) == 2 * (n + 1)
