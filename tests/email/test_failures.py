"""What becomes of a mail that the mail server did not take: tried again by class, always with the same Message-ID."""

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from app.clients.errors import NotConfigured, ProviderError, Unavailable
from app.clients.smtp_answers import CredentialsRefused, HandedOver, ServerUnfit
from app.domain.email.rules.kinds import FEW_TRIES
from app.domain.email.service.mails import MailBusy, MailHalted, MailService
from app.jobs.runner import create_queue
from app.jobs.schedule import JOBS
from app.jobs.work import Work
from app.settings import Settings
from sandbox.faults import Fault
from tests.clients.mail_servers import DROP, scripted
from tests.email.post import Post

LOGIN = {"EHLO": "250-mx.test\r\n250 AUTH PLAIN", "AUTH": "535 5.7.8 Authentication credentials invalid"}


def with_server(post: Post, port: int, **fields: object) -> Post:
    """The same, with another mail server."""
    settings = msgspec.structs.replace(post.work.settings, smtp_port=port, **fields)
    return Post(Work(settings, post.work.sessions), post.sandbox, post.db)


async def state(post: Post) -> tuple[str, int, str]:
    row = await post.row()
    return row.status, row.attempts, row.last_error


async def test_a_refusal_for_now_is_tried_again_with_the_same_message_id(post: Post) -> None:
    order_id = await post.make_order()
    post.sandbox.world.faults.add(Fault("smtp", status=451, times=2))
    for attempt in (1, 2):
        with pytest.raises(Unavailable):
            await post.send_order(order_id)
        assert await state(post) == ("queued", attempt, "451 The sandbox was told to refuse this")
    assert await post.send_order(order_id) == "sent"
    assert await state(post) == ("sent", 3, "")
    assert len(post.inbox()) == 1
    assert post.header("message-id") == [(await post.row()).message_id] * 3


async def test_greylisting_passes(post: Post) -> None:
    order_id = await post.make_order(customer_email="grey@example.com")
    with pytest.raises(Unavailable) as refused:
        await post.send_order(order_id)
    assert (refused.value.status, refused.value.code) == (451, "4.7.1")
    assert (await state(post))[:2] == ("queued", 1)


async def test_a_lost_answer_is_followed_by_the_same_mail(post: Post) -> None:
    """It had been taken: who has both can tell by the Message-ID that they are one."""
    order_id = await post.make_order()
    post.sandbox.world.faults.add(Fault("smtp", drop=True))
    with pytest.raises(HandedOver):
        await post.send_order(order_id)
    assert (await state(post))[0] == "queued"
    assert await post.send_order(order_id) == "sent"
    assert len(post.inbox()) == 2
    assert len(set(post.header("message-id"))) == 1


async def test_nobody_listens(post: Post) -> None:
    order_id = await post.make_order()
    async with scripted({}) as (port, _):
        pass
    with pytest.raises(Unavailable):
        await with_server(post, port).send_order(order_id)
    assert (await state(post))[:2] == ("queued", 1)
    assert await post.send_order(order_id) == "sent"


async def test_a_message_that_is_refused_for_good_is_not_tried_again(post: Post) -> None:
    order_id = await post.make_order()
    post.sandbox.world.faults.add(Fault("smtp", status=554))
    with capture_logs() as logs:
        assert await post.send_order(order_id) == "not sent"
    assert await state(post) == ("failed", 1, "554 The sandbox was told to refuse this")
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["mail_failed"]
    assert "ana@example.com" not in str(logs)
    assert await post.send_order(order_id) == "nothing to send"
    assert await post.value("SELECT count(*) FROM mail_suppression") == 0


async def test_an_address_without_a_mailbox_gets_nothing_more(post: Post) -> None:
    first, second = [
        await post.make_order(customer_email=each) for each in ("nouser@example.com", "NoUser@Example.com")
    ]
    assert await post.send_order(first) == "not sent"
    assert await post.value("SELECT concat_ws(' ', address, reason) FROM mail_suppression") == (
        "nouser@example.com bounced"
    )
    assert await post.send_order(second) == "nothing to send"
    assert [row.status for row in await post.rows()] == ["failed", "suppressed"]
    assert post.arrivals() == []


async def test_a_mailbox_may_have_been_made_since(post: Post) -> None:
    order_id = await post.make_order()
    await post.run(
        "INSERT INTO mail_suppression (address, reason, created_at)"
        " VALUES ('ana@example.com', 'bounced', now() - interval '31 days')"
    )
    assert await post.send_order(order_id) == "sent"


async def test_refused_credentials_stop_all_mails_until_somebody_acts(post: Post) -> None:
    first, second = await post.make_order(), await post.make_order()
    async with scripted(LOGIN) as (port, script):
        broken = with_server(post, port, smtp_username="shop", smtp_password="wrong-password")
        with capture_logs() as logs:
            with pytest.raises(CredentialsRefused):
                await broken.send_order(first)
            for order_id in (first, second):
                with pytest.raises(MailHalted):
                    await broken.send_order(order_id)
        assert [line.split()[0] for line in script.heard].count("AUTH") == 1
    alerts = [entry for entry in logs if entry["log_level"] == "error"]
    assert [alert["event"] for alert in alerts] == ["mail_credentials_refused"]
    assert "wrong-password" not in str(logs)
    assert (await state(post))[0] == "queued"
    await post.run("UPDATE mail_halt SET until = now() - interval '1 second'")
    assert [await post.send_order(order_id) for order_id in (first, second)] == ["sent", "sent"]
    assert await post.value("SELECT count(*) FROM mail_halt") == 0


async def test_those_who_were_refused_at_the_same_time_tell_it_once(post: Post) -> None:
    mails = []
    for _ in range(2):
        order_id = await post.make_order()
        async with post.work.transaction() as session:
            mails.append(await MailService(session, post.work.settings).order(order_id, "order_created", 0))
    with capture_logs() as logs:
        for mail in mails:
            assert mail is not None
            async with post.work.transaction() as session:
                refused = CredentialsRefused("535 no")
                assert await MailService(session, post.work.settings).note_failure(mail, refused) is True
    assert [entry["event"] for entry in logs] == ["mail_credentials_refused"]


async def test_a_server_that_does_not_fit_is_tried_a_few_times(post: Post) -> None:
    order_id = await post.make_order()
    async with scripted({}) as (port, _):
        unfit = with_server(post, port, smtp_tls_mode="starttls")
        with pytest.raises(ServerUnfit):
            await unfit.send_order(order_id)
        await post.run("UPDATE mail SET attempts = :tries", tries=FEW_TRIES - 2)
        with pytest.raises(ServerUnfit):
            await unfit.send_order(order_id)
        assert await unfit.send_order(order_id) == "not sent"
    assert (await state(post))[:2] == ("failed", FEW_TRIES)


async def test_after_two_days_a_mail_is_given_up(post: Post) -> None:
    order_id = await post.make_order()
    post.sandbox.world.faults.add(Fault("smtp", status=451, times=3))
    with pytest.raises(Unavailable):
        await post.send_order(order_id)
    await post.run("UPDATE mail SET created_at = now() - interval '47 hours'")
    with pytest.raises(Unavailable):
        await post.send_order(order_id)
    await post.run("UPDATE mail SET created_at = now() - interval '48 hours'")
    assert await post.send_order(order_id) == "not sent"
    assert (await state(post))[0] == "failed"


async def test_a_code_that_ended_while_the_server_was_down_is_not_sent(post: Post) -> None:
    code_id = await post.make_code()
    post.sandbox.world.faults.add(Fault("smtp", status=451))
    with pytest.raises(Unavailable):
        await post.send_code(code_id)
    await post.run("UPDATE verification_codes SET expires_at = now()")
    assert await post.send_code(code_id) == "nothing to send"
    assert await state(post) == ("failed", 1, "the code no longer holds")
    assert post.inbox() == []


async def test_the_mail_of_a_dead_sender_is_taken_over(post: Post) -> None:
    order_id = await post.make_order()
    post.sandbox.world.faults.add(Fault("smtp", status=451))
    with pytest.raises(Unavailable):
        await post.send_order(order_id)
    await post.run("UPDATE mail SET status = 'sending', busy_until = now() + interval '1 minute'")
    with pytest.raises(MailBusy):
        await post.send_order(order_id)
    await post.run("UPDATE mail SET busy_until = now()")
    assert await post.send_order(order_id) == "sent"
    assert len(set(post.header("message-id"))) == 1


async def test_a_sender_that_was_taken_for_dead_changes_nothing(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    order_id = await post.make_order()
    taken_over = "UPDATE mail SET attempts = attempts + 1, busy_until = now() + interval '1 minute'"

    async def send(*_: object) -> None:
        await post.run(taken_over)
        raise Unavailable("too late", retry_after=1)

    monkeypatch.setattr("app.clients.smtp.SmtpClient.send", send)
    assert await post.send_order(order_id) == "not sent"
    assert await state(post) == ("sending", 2, "")


async def test_without_a_server_the_mail_waits(post: Post) -> None:
    order_id = await post.make_order()
    with pytest.raises(NotConfigured):
        await with_server(post, 1, smtp_host="").send_order(order_id)
    assert (await state(post))[0] == "queued"
    assert await post.send_order(order_id) == "sent"


async def test_the_queue_tries_again_later(post: Post, sessions: async_sessionmaker[AsyncSession]) -> None:
    code_id = await post.make_code()
    async with scripted({"MESSAGE": DROP}) as (port, _):
        settings: Settings = with_server(post, port).work.settings
        queue = create_queue(settings, sessions, JOBS)
        async with queue.open_async():
            await queue.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
    told = "SELECT concat_ws(' ', status, attempts, scheduled_at > now(), args) FROM procrastinate_jobs"
    assert await post.value(told) == f'todo 1 t {{"code_id": {code_id}}}'
    assert (await state(post))[:2] == ("queued", 1)


def test_errors_that_are_raised_to_be_tried_again_are_no_refusals_of_ours() -> None:
    """The queue ends a job whose error says 4xx."""
    for kind in (MailBusy, MailHalted, ProviderError):
        assert not hasattr(kind, "status")
