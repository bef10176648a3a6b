"""A promotion reaches every device of its audience once, whatever is repeated, lost or late."""

import asyncio
import datetime as dt
import tracemalloc

import msgspec
import pytest
from sqlalchemy import insert

from app.domain.devices.models import DeviceToken
from app.domain.notifications.service.sending import open_sender
from tests.factories import make_user
from tests.notifications.office import HERE, HOUR, Office, now

SECOND = dt.timedelta(seconds=1)


async def crowd(office: Office, count: int, bad: int | None = None) -> list[str]:
    """Users at the store's door with a device each; the one numbered `bad` has a dead token."""
    rows = await office.rows(
        "WITH person AS (INSERT INTO users (username, email, password_hash, is_active)"
        " SELECT 'c' || n, 'c' || n || '@example.com', '-', true FROM generate_series(1, :count) n RETURNING id)"
        " INSERT INTO profiles (user_id, location) SELECT id, CAST(:here AS geography) FROM person RETURNING user_id",
        count=count,
        here=f"POINT({HERE[1]} {HERE[0]})",
    )
    users = sorted(user for (user,) in rows)
    tokens = [f"unregistered-{user}" if place == bad else f"t-{user}" for place, user in enumerate(users)]
    devices = [
        {"user_id": user, "token": token, "platform": "android"} for user, token in zip(users, tokens, strict=True)
    ]
    await office.db.execute(insert(DeviceToken), devices)
    await office.db.commit()
    return tokens


async def test_a_push_for_each_device_and_what_it_says(office: Office) -> None:
    user = await office.shopper("a1", "a2")
    await office.device(user, "off", is_active=False, inactive_reason="removed")
    await office.shopper("far", location=(0.0, 0.0))
    ends_at = now() + HOUR
    promo = await office.promo(discount_percent=30, ends_at=ends_at)
    await office.tell(promo)
    assert sorted(office.pushes()) == ["a1", "a2"]
    push = next(office.sandbox.world.ledger.pushes.newest_first())
    ((product, store, item),) = await office.rows(
        "SELECT d.name, s.name, sp.id FROM store_product sp JOIN store s ON s.id = sp.store_id"
        " JOIN product d ON d.id = sp.product_id"
    )
    local = ends_at.astimezone(office.settings.zone)
    same_day = local.date() == now().astimezone(office.settings.zone).date()
    until = local.strftime("las %H:%M" if same_day else "el %d/%m a las %H:%M")
    assert (push.title, push.body) == (f"⚡ {product}", f"{store}: $ 700,00 hasta {until}")
    assert push.data == {
        "type": "flash_promo",
        "promo_id": str(promo),
        "store_product": str(item),
        "ends_at": ends_at.isoformat().replace("+00:00", "Z"),
    }
    (sent, *_) = [
        msgspec.json.decode(each.body) for each in office.sandbox.world.ledger.requests if "send" in each.path
    ]
    message = sent["message"]
    assert message["android"]["collapse_key"] == message["apns"]["headers"]["apns-collapse-id"] == f"promo-{promo}"
    assert message["android"]["notification"]["tag"] == f"promo-{promo}"
    shown = (await office.ask("GET", "history/", user)).json()["notifications"]
    assert {(one["status"], one["notification_type"], one["title"]) for one in shown} == {
        ("sent", "general", f"⚡ {product}")
    }
    assert all(one["sent_at"] for one in shown)


async def test_whatever_runs_again_sends_nothing_again(office: Office) -> None:
    tokens = await crowd(office, 30)
    promo = await office.promo()
    await office.run("notify_promo", promo_id=promo)
    ((args,),) = await office.rows("SELECT args FROM procrastinate_jobs WHERE task_name = 'send_push_batch'")
    # Delivered three times at once, then again, then the whole fan-out again.
    await asyncio.gather(*(office.run("send_push_batch", **args) for _ in range(3)))
    await office.drain()
    await office.run("send_push_batch", **args)
    for name in ("notify_active_promos", "activate_and_notify_promos", "send_push_batch", "notifications:sweep"):
        await office.run(name)
        await office.drain()
    await office.tell(promo)
    assert sorted(office.pushes()) == sorted(tokens)
    assert set((await office.states()).values()) == {"sent"}


async def test_one_bad_token_among_five_hundred(office: Office) -> None:
    tokens = await crowd(office, 500, bad=250)
    promo = await office.promo()
    await office.tell(promo)
    good = [token for token in tokens if token.startswith("t-")]
    assert len(good) == 499
    assert sorted(office.pushes()) == sorted(good)
    rows = await office.rows("SELECT token, inactive_reason FROM device_token WHERE NOT is_active")
    assert [(token[:13], reason) for token, reason in rows] == [("unregistered-", "rejected")]
    (reason,) = [each for (each,) in await office.rows("SELECT error_message FROM push_log WHERE state = 'failed'")]
    assert reason.startswith("UNREGISTERED: ")
    # The next promotion does not try it.
    other = await office.promo()
    await office.tell(other)
    assert await office.value("SELECT count(*) FROM push_log WHERE promo_id = :promo", promo=other) == 499


@pytest.mark.parametrize("moment", ["after the day row", "after the push was written"])
async def test_a_token_that_moved_gets_nothing_of_its_first_user(office: Office, moment: str) -> None:
    first = await office.shopper("phone", "tablet")
    second = await office.shopper(location=(0.0, 0.0))
    promo = await office.promo()
    await office.run("notify_promo", promo_id=promo)
    if moment == "after the push was written":
        office.sender._closed_until = float("inf")
        await office.drain()
        office.sender._closed_until = 0.0
    await office.ask("POST", "register-token/", second, {"token": "phone", "platform": "ios"})
    await office.drain()
    await office.run("notifications:sweep")
    assert office.pushes() == ["tablet"]
    history = (await office.ask("GET", "history/", second)).json()
    assert history["count"] == 0
    assert first.id != second.id


async def test_a_device_gets_a_promotion_once_whoever_owns_it(office: Office) -> None:
    await office.shopper("phone")
    promo = await office.promo()
    await office.tell(promo)
    second = await office.shopper()
    await office.ask("POST", "register-token/", second, {"token": "phone", "platform": "ios"})
    await office.tell(promo)
    assert office.pushes() == ["phone"]
    assert await office.value("SELECT devices FROM promo_notification WHERE user_id = :user", user=second.id) == 0


async def test_a_device_that_comes_later_hears_of_what_is_still_on(office: Office) -> None:
    user = await office.shopper()
    on, over = await office.promo(), await office.promo()
    for promo in (on, over):
        await office.tell(promo)
    await office.rows("UPDATE flash_promo SET ends_at = clock_timestamp() WHERE id = :id", id=over)
    assert office.pushes() == []
    for _ in range(2):
        await office.ask("POST", "register-token/", user, {"token": "new", "platform": "web"})
        await office.drain()
    assert office.pushes() == ["new"]
    assert await office.value("SELECT promo_id FROM push_log") == on


async def test_what_may_not_be_sent_any_more_is_not(office: Office) -> None:
    """Between the day row and the push a promotion is cancelled, an account blocked, a switch turned."""
    users = {name: await office.shopper(name) for name in ("blocked", "off", "removed", "fine")}
    promo, cancelled = await office.promo(), await office.promo()
    office.sender._closed_until = float("inf")
    for each in (promo, cancelled):
        await office.tell(each)
    office.sender._closed_until = 0.0
    await office.rows("UPDATE users SET is_active = false WHERE id = :id", id=users["blocked"].id)
    await office.ask("POST", "toggle/", users["off"], {"enabled": False})
    await office.ask("DELETE", "remove-token/", users["removed"], {"token": "removed"})
    await office.rows("UPDATE flash_promo SET cancelled_at = clock_timestamp() WHERE id = :id", id=cancelled)
    await office.run("notifications:sweep")
    assert office.pushes() == ["fine"]
    reasons = await office.rows("SELECT DISTINCT error_message FROM push_log WHERE state = 'failed' ORDER BY 1")
    assert [reason for (reason,) in reasons] == [
        "The account is not active.",
        "The device is not active any more.",
        "The promotion was cancelled.",
    ]
    assert await office.value("SELECT count(*) FROM push_log WHERE state = 'failed'") == 7


async def test_a_push_is_not_sent_after_its_promotion_its_day_or_its_hours(office: Office) -> None:
    await office.shopper("a")
    soon = now() + 10 * SECOND
    promo = await office.promo(ends_at=soon)
    office.sender._closed_until = float("inf")
    await office.tell(promo)
    assert await office.value("SELECT expires_at FROM push_log") == soon
    await office.rows("UPDATE push_log SET expires_at = clock_timestamp()")
    office.sender._closed_until = 0.0
    await office.run("notifications:sweep")
    assert office.pushes() == []
    assert await office.value("SELECT error_message FROM push_log") == "Its time is over."
    # A day row of yesterday, whose job comes today.
    await office.rows("DELETE FROM push_log")
    await office.rows("UPDATE promo_notification SET sent_date = sent_date - 1, devices = NULL")
    ((first, last),) = await office.rows("SELECT min(id), max(id) FROM promo_notification")
    assert await office.run("send_push_batch", promo_id=promo, first=first, last=last) == 0
    assert await office.value("SELECT count(*) FROM push_log") == 0


async def test_a_batch_that_comes_outside_of_the_hours_is_not_sent(office: Office) -> None:
    await office.shopper("a")
    promo = await office.promo()
    await office.run("notify_promo", promo_id=promo)
    local = dt.datetime.now(office.settings.zone)
    await office.rows(
        "UPDATE notification_preference SET notification_start_hour = :start, notification_end_hour = :end",
        start=f"{local + 2 * HOUR:%H:%M}",
        end=f"{local + 3 * HOUR:%H:%M}",
    )
    await office.drain()
    assert (office.pushes(), await office.value("SELECT devices FROM promo_notification")) == ([], 0)


async def test_a_lost_job_is_made_up_for_by_the_sweep(office: Office) -> None:
    tokens = await crowd(office, 10)
    promo = await office.promo()
    await office.run("notify_promo", promo_id=promo)
    await office.rows("DELETE FROM procrastinate_jobs")
    await office.run("notifications:sweep")
    assert await office.drain() == 0
    await office.rows("UPDATE promo_notification SET created_at = created_at - interval '3 minutes'")
    for _ in range(2):
        await office.run("notifications:sweep")
    assert await office.drain() == 1
    assert sorted(office.pushes()) == sorted(tokens)


async def test_a_start_that_was_lost_is_made_up_for(office: Office) -> None:
    await office.shopper("a")
    await office.promo()
    await office.run("activate_and_notify_promos")
    await office.drain()
    assert office.pushes() == ["a"]


async def test_without_credentials_every_push_is_marked_with_the_reason(office: Office) -> None:
    await crowd(office, 120)
    promo = await office.promo()
    async with open_sender(msgspec.structs.replace(office.settings, google_service_account_file="")) as sender:
        office.sender = sender
        await office.tell(promo)
    rows = await office.rows("SELECT state, error_message, count(*) FROM push_log GROUP BY 1, 2")
    assert [tuple(row) for row in rows] == [("failed", "GOOGLE_SERVICE_ACCOUNT_FILE is not set", 120)]
    assert await office.value("SELECT count(*) FROM device_token WHERE is_active") == 120


async def test_useless_devices_are_forgotten(office: Office) -> None:
    user = await make_user(office.db)
    old = now() - dt.timedelta(days=200)
    for token, fields in (
        ("used", {"last_used": old}),
        ("removed", {"last_used": old, "is_active": False, "inactive_reason": "removed"}),
        ("fresh", {"is_active": False, "inactive_reason": "removed"}),
    ):
        await office.device(user, token, **fields)
    await office.device(None, "anonymous", last_used=old)
    assert await office.run("notifications:forget_old") == 2
    assert await office.run("notifications:forget_old") == 0
    assert {token for (token,) in await office.rows("SELECT token FROM device_token")} == {"used", "fresh"}


async def test_the_workers_memory_does_not_grow_with_the_audience(office: Office) -> None:
    """Users stay in the database: ten times as many cost no more memory."""
    peaks = []
    # The first have gone both ways of a fan-out, that of the nearest and that of the rest.
    for name, count in (("first", 2_500), ("few", 1_000), ("many", 10_000)):
        await office.rows(
            "WITH person AS (INSERT INTO users (username, email, password_hash, is_active)"
            " SELECT :name || n, :name || n || '@example.com', '-', true FROM generate_series(1, :count) n"
            " RETURNING id)"
            " INSERT INTO profiles (user_id, location) SELECT id, CAST(:here AS geography) FROM person",
            name=name,
            count=count,
            here=f"POINT({HERE[1]} {HERE[0]})",
        )
        promo = await office.promo()
        tracemalloc.start()
        told = await office.run("notify_promo", promo_id=promo)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert told >= count
    assert peaks[2] < peaks[1] + 200_000
