"""Each event reaches each receiver at least once, under one id, signed, whatever happens on the way."""

import asyncio
import json

import pytest
from sqlalchemy import text

from app.clients.webhooks import WebhookClient
from app.domain.email.service.mails import MailBusy, MailService
from app.domain.webhooks.rules import schedule
from app.domain.webhooks.rules.addresses import is_public
from app.domain.webhooks.service.outbox import Answered, Message, WebhookOutbox
from app.jobs.events import number_batch
from sandbox.webhooks import key_of
from tests.factories_catalog import make_product
from tests.webhooks.post_office import PostOffice


async def test_w01_an_event_is_one_signed_message(office: PostOffice) -> None:
    webhook = await office.subscribe(event_types=["product.created"])
    product_id = await office.happen()
    await office.reader.run("UPDATE product SET price = 5 WHERE id = :id", id=product_id)
    await office.reader.news()
    await office.deliver()
    (got,) = office.got()
    assert (got.verdict, got.type, got.times, got.receiver) == ("verified", "product.created", 1, "erp")
    (delivery,) = await office.deliveries(webhook["id"])
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("delivered", 1, 204)
    assert delivery["message_id"] == got.message_id
    detail = await office.delivery(delivery["id"])
    assert detail["body"] == got.body
    body = json.loads(got.body)
    assert set(body) == {"type", "timestamp", "data"}
    assert body["data"]["id"] == product_id
    assert [(tried["status"], tried["error"]) for tried in detail["tries"]] == [(204, "")]
    await office.deliver()
    assert len(office.got()) == 1


async def test_a_receiver_that_is_down_and_comes_back(office: PostOffice) -> None:
    webhook = await office.subscribe()
    office.fail(2, status=500)
    office.fail(1, drop=True)
    await office.happen()
    (delivery,) = await office.deliveries(webhook["id"])
    for tries, least in ((1, 5.0), (2, 300.0), (3, 1800.0)):
        await office.deliver()
        found = await office.delivery(delivery["id"])
        assert (found["state"], found["attempts"]) == ("pending", tries)
        assert least * 0.9 < await office.pause(delivery["id"]) <= least * (1 + schedule.JITTER)
        assert (await office.webhook(webhook["id"]))["failing_since"] is not None
        await office.deliver()
        assert (await office.delivery(delivery["id"]))["attempts"] == tries
        await office.due()
    await office.deliver()
    found = await office.delivery(delivery["id"])
    assert (found["state"], found["attempts"]) == ("delivered", 4)
    assert [tried["status"] for tried in found["tries"]] == [500, 500, None, 204]
    assert (await office.webhook(webhook["id"]))["failing_since"] is None
    # The dropped one had been received: twice the same message, under one id and with the same bytes.
    first, second = office.got()
    assert (first.message_id, first.body, second.times) == (second.message_id, second.body, 2)
    assert {first.verdict, second.verdict} == {"verified"}


async def test_the_schedule_ends(office: PostOffice) -> None:
    webhook = await office.subscribe()
    await office.happen()
    (delivery,) = await office.deliveries(webhook["id"])
    office.fail(99, status=500)
    for _ in range(len(schedule.PAUSES) + 1):
        await office.deliver()
        await office.due()
    found = await office.delivery(delivery["id"])
    assert (found["state"], found["attempts"], len(found["tries"])) == ("failed", 10, 10)
    await office.deliver()
    assert len((await office.delivery(delivery["id"]))["tries"]) == 10
    # By hand it is a new round, with the same id.
    office.sandbox.world.faults.reset()
    again = await office.reader.ask("POST", f"/api/webhooks/deliveries/{delivery['id']}/retry/")
    assert (again["state"], again["attempts"]) == ("pending", 0)
    await office.deliver()
    assert (await office.delivery(delivery["id"]))["state"] == "delivered"
    assert [got.message_id for got in office.got()] == [found["message_id"]]


async def test_a_receiver_that_is_gone(office: PostOffice) -> None:
    webhook, other = await office.subscribe(), await office.subscribe("other")
    await office.happen()
    await office.happen()
    office.fail(1, status=410, path="/webhooks/erp")
    office.fail(1, status=500, path="/webhooks/erp")
    await office.deliver()
    found = await office.webhook(webhook["id"])
    assert (found["is_active"], found["disabled_reason"]) == (False, "gone")
    assert {delivery["state"] for delivery in await office.deliveries(webhook["id"])} == {"cancelled"}
    assert {delivery["state"] for delivery in await office.deliveries(other["id"])} == {"delivered"}
    await office.happen()
    assert len(await office.deliveries(webhook["id"])) == 2
    logged = "SELECT description FROM activity_log WHERE action = 'status_change' AND content_type = 'webhook'"
    assert await office.reader.db.scalar(text(logged)) == f"Webhook desactivado (gone): {webhook['url']}"
    # And by mail to who made it, once.
    job = text("SELECT args FROM procrastinate_jobs WHERE task_name = 'send_webhook_mail'")
    (args,) = (await office.reader.db.execute(job)).scalars().all()
    await office.reader.db.rollback()
    async with office.reader.sessions.begin() as session:
        mail = await MailService(session, office.reader.settings).webhook(**args)
    assert mail is not None
    assert webhook["url"] in mail.message.text
    assert mail.message.to == await office.reader.db.scalar(text("SELECT email FROM users WHERE is_staff"))
    async with office.reader.sessions.begin() as session:
        with pytest.raises(MailBusy):
            await MailService(session, office.reader.settings).webhook(**args)


async def test_tries_that_end_together_take_turns(office: PostOffice) -> None:
    """The one that gives the receiver up writes to the messages of the others, which write to the receiver."""
    webhook = await office.subscribe()
    for _ in range(4):
        await make_product(office.reader.db)
    await office.reader.news()
    async with office.reader.sessions.begin() as session:
        taken = await WebhookOutbox(session).take(10, {})
    gone = Answered(0.1, 410, "", None)

    async def note(message: Message) -> None:
        async with office.reader.sessions.begin() as session:
            await WebhookOutbox(session).note(message, gone)

    await asyncio.gather(*(note(message) for message in taken))
    assert (await office.webhook(webhook["id"]))["disabled_reason"] == "gone"
    found = await office.deliveries(webhook["id"])
    assert [delivery["state"] for delivery in found] == ["cancelled"] * 4
    assert [len((await office.delivery(delivery["id"]))["tries"]) for delivery in found] == [1] * 4


async def test_a_receiver_that_is_deleted_meanwhile(office: PostOffice) -> None:
    webhook = await office.subscribe()
    await office.happen()
    async with office.reader.sessions.begin() as session:
        (taken,) = await WebhookOutbox(session).take(10, {})
    await office.reader.ask("DELETE", f"/api/webhooks/{webhook['id']}/", status=204)
    async with office.reader.sessions.begin() as session:
        await WebhookOutbox(session).note(taken, Answered(0.1, 500, "", None))
    assert await office.reader.db.scalar(text("SELECT count(*) FROM webhook_attempt")) == 0


async def test_a_run_that_is_cut_off_says_nothing_of_its_tries(office: PostOffice) -> None:
    webhook = await office.subscribe()
    await office.happen()
    office.fail(1, delay_seconds=30.0)
    run = asyncio.create_task(office.deliver())
    async with asyncio.timeout(5):
        while (await office.deliveries(webhook["id"]))[0]["attempts"] == 0:
            await asyncio.sleep(0.02)
    others = asyncio.all_tasks() - {run}
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()
    sending = [task for task in others if getattr(task.get_coro(), "__name__", "") == "_send"]
    if sending:
        await asyncio.wait(sending, timeout=5)
    (delivery,) = await office.deliveries(webhook["id"])
    assert (delivery["state"], delivery["last_error"]) == ("pending", "")
    assert (await office.delivery(delivery["id"]))["tries"] == []
    assert (await office.webhook(webhook["id"]))["failing_since"] is None


async def test_days_of_failure_end_a_subscription(office: PostOffice) -> None:
    webhook = await office.subscribe()
    await office.happen()
    office.fail(9, status=500)
    await office.deliver()
    await office.reader.run("UPDATE webhook SET failing_since = now() - interval '4 days 23 hours'")
    await office.due()
    await office.deliver()
    assert (await office.webhook(webhook["id"]))["is_active"] is True
    await office.reader.run("UPDATE webhook SET failing_since = now() - interval '5 days 1 hour'")
    await office.due()
    await office.deliver()
    found = await office.webhook(webhook["id"])
    assert (found["is_active"], found["disabled_reason"]) == (False, "failing")
    on = await office.reader.ask("PATCH", f"/api/webhooks/{webhook['id']}/", {"is_active": True})
    assert (on["is_active"], on["disabled_reason"], on["failing_since"]) == (True, "", None)


async def test_who_asks_for_a_rest_gets_it(office: PostOffice) -> None:
    webhook = await office.subscribe()
    await office.happen()
    office.fail(1, status=429)
    await office.deliver()
    await office.reader.run("UPDATE webhook_delivery SET next_at = clock_timestamp()")
    await office.happen()
    await office.deliver()
    assert office.got() == []
    assert (await office.webhook(webhook["id"]))["paused_until"] is not None
    await office.due()
    await office.deliver()
    assert len(office.got()) == 2


async def test_redirects_are_failures(office: PostOffice) -> None:
    webhook = await office.subscribe()
    await office.happen()
    office.fail(1, status=302)
    await office.deliver()
    (delivery,) = await office.deliveries(webhook["id"])
    assert (delivery["state"], delivery["last_status"]) == ("pending", 302)
    assert office.got() == []


async def test_a_new_secret_and_the_old_one(office: PostOffice) -> None:
    webhook = await office.subscribe()
    old = office.sandbox.world.hook_secrets[-1]
    made = await office.reader.ask("POST", f"/api/webhooks/{webhook['id']}/rotate_secret/")
    new = key_of(made["signing_secret"])
    assert new != old
    for known in (old, new):
        office.sandbox.world.hook_secrets[:] = [known]
        await office.happen()
        await office.deliver()
    assert [got.verdict for got in office.got()] == ["verified", "verified"]
    await office.reader.run("UPDATE webhook SET previous_secret_until = now()")
    office.sandbox.world.hook_secrets[:] = [old]
    await office.happen()
    await office.deliver()
    assert office.got()[-1].verdict == "no signature of a known secret"
    assert "signing_secret" not in await office.webhook(webhook["id"])


async def test_a_crash_between_the_commit_and_the_sending(office: PostOffice) -> None:
    """Whoever took a message and died has it for a while; then it is somebody else's."""
    await office.subscribe()
    await make_product(office.reader.db)
    assert await number_batch(office.reader.sessions) == 1
    async with office.reader.sessions.begin() as session:
        (taken,) = await WebhookOutbox(session).take(10, {})
    await office.deliver()
    assert office.got() == []
    await office.due()
    await office.deliver()
    assert [(got.message_id, got.verdict) for got in office.got()] == [(taken.message_id, "verified")]


async def test_a_dead_senders_word_comes_too_late(office: PostOffice) -> None:
    webhook = await office.subscribe()
    await office.happen()
    async with office.reader.sessions.begin() as session:
        (taken,) = await WebhookOutbox(session).take(10, {})
    await office.due()
    await office.deliver()
    async with office.reader.sessions.begin() as session:
        await WebhookOutbox(session).note(taken, Answered(0.1, 500, "", None))
    (delivery,) = await office.deliveries(webhook["id"])
    assert (delivery["state"], delivery["last_status"]) == ("delivered", 204)
    assert (await office.webhook(webhook["id"]))["failing_since"] is None


async def test_a_slow_receiver_holds_up_nobody(office: PostOffice) -> None:
    slow, quick = await office.subscribe("slow"), await office.subscribe("quick")
    office.fail(99, path="/webhooks/slow", delay_seconds=1.0)
    for _ in range(6):
        await make_product(office.reader.db)
    await office.reader.news()
    sending = asyncio.create_task(office.deliver())
    async with asyncio.timeout(5):
        while sum(got.receiver == "quick" for got in office.got()) < 6:
            await asyncio.sleep(0.02)
    assert not sending.done()
    async with asyncio.timeout(10):
        await sending
    for webhook in (slow, quick):
        assert [each["state"] for each in await office.deliveries(webhook["id"])] == ["delivered"] * 6


async def test_an_address_that_is_not_public_gets_nothing(office: PostOffice) -> None:
    """The name is looked up where it is sent: one that was public when it was written may lead inside now."""
    await office.happen()
    async with WebhookClient(allowed=is_public) as client:
        for url in (
            f"{office.sandbox.url}/webhooks/x",
            office.sandbox.url.replace("127.0.0.1", "localhost") + "/webhooks/x",
        ):
            outcome = await client.post(url, {}, b"{}")
            assert (outcome.status, outcome.error) == (None, "the name leads to an address that is not public")
    assert office.got() == []


async def test_an_answer_that_does_not_come(office: PostOffice) -> None:
    office.fail(1, delay_seconds=5.0)
    async with WebhookClient(allowed=lambda _address: True, seconds=0.2) as client:
        outcome = await client.post(f"{office.sandbox.url}/webhooks/x", {}, b"{}")
    assert (outcome.status, outcome.error) == (None, "no answer in 0.2 s")
    assert 0.15 < outcome.seconds < 2


@pytest.mark.parametrize("url", ["https://no-such-host.invalid/x", "http://127.0.0.1:1/x"])
async def test_nobody_there(office: PostOffice, url: str) -> None:
    async with WebhookClient(allowed=lambda _address: True) as client:
        outcome = await client.post(url, {}, b"{}")
    assert outcome.status is None
    assert outcome.error


async def test_a_receivers_cookies_are_nobodys() -> None:
    """Two receivers may have one address, and connections go by address."""
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 204 No Content\r\nSet-Cookie: session=theirs; Path=/\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        async with WebhookClient(allowed=lambda _address: True) as client:
            assert [(await client.post(url, {}, b"{}")).status for _ in range(2)] == [204, 204]
    assert len(heads) == 2
    assert not any("cookie" in head for head in heads)
