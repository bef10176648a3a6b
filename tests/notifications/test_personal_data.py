"""A user's pushes belong to the export of the account, and go with it."""

from app.domain.notifications.service.personal_data import PushData
from tests.factories import PASSWORD, bearer
from tests.notifications.office import Office


async def test_the_export_has_the_pushes_and_the_devices(office: Office) -> None:
    user, other = await office.shopper("a"), await office.shopper("b")
    promo = await office.promo()
    await office.tell(promo)
    await office.ask("POST", "send-test/", user, {"title": "Hola"})
    answer = await office.client.get("/api/auth/me/export/", headers=bearer(office.settings, user))
    assert answer.status_code == 200
    told = answer.json()
    assert [(push["title"], push["promo"], push["state"]) for push in told["pushes"]][1] == ("Hola", None, "sent")
    assert [push["promo"] for push in told["pushes"]] == [promo, None]
    assert [device["token"] for device in told["devices"]] == ["a"]
    assert len(await PushData().export(office.db, other.id)) == 1


async def test_an_account_that_goes_takes_its_pushes_and_devices_along(office: Office) -> None:
    user, other = await office.shopper("a"), await office.shopper("b")
    await office.tell(await office.promo())
    answer = await office.client.request(
        "DELETE", "/api/auth/me/", json={"password": PASSWORD}, headers=bearer(office.settings, user)
    )
    assert answer.is_success, answer.text
    assert await office.rows("SELECT user_id FROM push_log") == [(other.id,)]
    assert await office.rows("SELECT token FROM device_token") == [("b",)]
    assert await office.value("SELECT count(*) FROM promo_notification") == 2
