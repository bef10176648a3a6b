"""A mail from the job that was deferred to the inbox it arrives in."""

import asyncio
import re

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from app.clients.trust import trusted
from app.domain.accounts.rules.codes import PURPOSES, Purpose
from app.domain.email.rules.kinds import KIND_OF_PURPOSE
from app.domain.email.service.mails import MailBusy
from app.jobs.queue import defer
from app.jobs.runner import create_queue
from app.jobs.schedule import JOBS
from app.jobs.work import Run, Work
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.email.post import Post
from tests.factories import PASSWORD, make_user

SIX = re.compile(r"(?<!\d)\d{6}(?!\d)")


async def work_off(work: Work, sessions: async_sessionmaker[AsyncSession]) -> None:
    """A worker that ends when nothing is due."""
    queue = create_queue(work.settings, sessions, JOBS)
    async with queue.open_async():
        await queue.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_a_code_arrives_and_is_the_only_number_of_six_digits(post: Post, purpose: Purpose) -> None:
    code_id = await post.make_code(purpose, email="ana@example.com", username="ana123456")
    digits = await post.digits_of(code_id)
    assert await post.send_code(code_id) == "sent"
    (mail,) = post.inbox()
    assert SIX.findall(mail.text) == [digits]
    assert SIX.findall(mail.html) == [digits]
    assert not SIX.search(mail.subject)
    row = await post.row()
    assert (row.kind, row.reference, row.status, row.attempts) == (KIND_OF_PURPOSE[purpose], code_id, "sent", 1)
    assert (row.recipient, row.subject, row.last_error) == ("ana@example.com", mail.subject, "")
    assert row.sent_at is not None
    assert post.header("message-id") == [row.message_id]
    assert post.header("list-unsubscribe") == []


async def test_the_inbox_of_the_sandbox_shows_it(post: Post, sandbox: Sandbox) -> None:
    code_id = await post.make_code(email="ana@example.com")
    await post.send_code(code_id)
    async with httpx.AsyncClient(verify=trusted()) as http:
        (mail,) = (await http.get(f"{sandbox.url}/inbox.json", params={"to": "ana@example.com"})).json()
    assert set(mail) == {"to", "subject", "text", "html", "sent_at"}
    assert (mail["to"], mail["subject"]) == ("ana@example.com", "Verificá tu email")
    assert await post.digits_of(code_id) in mail["text"]


async def test_a_code_stands_nowhere_but_in_the_mail(
    post: Post, capfd: pytest.CaptureFixture[str], sessions: async_sessionmaker[AsyncSession]
) -> None:
    code_id = await post.make_code()
    digits = await post.digits_of(code_id)
    post.sandbox.world.faults.add(Fault("smtp", status=554))
    with capture_logs() as logs:
        await work_off(post.work, sessions)
    assert len(post.arrivals()) == 1
    assert digits in post.arrivals()[0].body.decode()
    assert logs
    tables = ("procrastinate_jobs", "procrastinate_events", "mail", "mail_suppression", "verification_codes")
    stored = [await post.value(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} AS t") for table in tables]
    captured = capfd.readouterr()
    for text in (*stored, str(logs), captured.out, captured.err):
        assert digits not in text


async def test_deferred_in_the_transaction_that_causes_it(
    post: Post, db: AsyncSession, sessions: async_sessionmaker[AsyncSession]
) -> None:
    order_id = await post.make_order()
    await defer(db, "send_order_mail", order_id=order_id, kind="order_created")
    await db.rollback()
    await defer(db, "send_order_mail", order_id=order_id, kind="payment_received")
    await db.commit()
    await work_off(post.work, sessions)
    assert [mail.subject for mail in post.inbox()] == [f"Recibimos el pago de tu pedido n.º {order_id}"]
    assert await post.value("SELECT string_agg(status::text, ' ') FROM procrastinate_jobs") == "succeeded"


async def test_from_the_registration_to_the_proof(
    post: Post, client: httpx.AsyncClient, sessions: async_sessionmaker[AsyncSession]
) -> None:
    form = {"username": "anap", "email": "ana@example.com", "first_name": "Ana", "last_name": "Pérez"}
    answer = await client.post("/api/auth/register/", json={**form, "password": PASSWORD, "password2": PASSWORD})
    assert answer.status_code == 201
    await work_off(post.work, sessions)
    (mail,) = post.inbox()
    (code,) = SIX.findall(mail.text)
    proof = await client.post("/api/auth/verify-email/", json={"email": "ana@example.com", "code": code})
    assert proof.status_code == 200
    await client.post("/api/auth/request-password-reset/", json={"email": "nobody@example.com"})
    await work_off(post.work, sessions)
    assert len(post.arrivals()) == 1


async def test_a_code_that_holds_no_more_is_not_mailed(post: Post) -> None:
    user = await make_user(post.db)
    old = await post.make_code(user=user)
    await post.make_code(user=user)
    assert await post.send_code(old) == "nothing to send"
    assert await post.send_code(old + 1000) == "nothing to send"
    assert post.arrivals() == []
    assert await post.rows() == []


async def test_running_twice_sends_once(post: Post) -> None:
    code_id, order_id = await post.make_code(), await post.make_order()
    assert [await post.send_code(code_id) for _ in range(3)] == ["sent", "nothing to send", "nothing to send"]
    assert [await post.send_order(order_id) for _ in range(2)] == ["sent", "nothing to send"]
    assert len(post.arrivals()) == 2
    assert [row.attempts for row in await post.rows()] == [1, 1]


async def test_two_at_once_send_once(post: Post) -> None:
    order_id = await post.make_order()
    post.sandbox.world.faults.add(Fault("smtp", delay_seconds=0.3))
    first = asyncio.create_task(post.send_order(order_id))
    while not post.arrivals():
        await asyncio.sleep(0.01)
    with pytest.raises(MailBusy):
        await post.send_order(order_id)
    assert await first == "sent"
    assert await post.send_order(order_id) == "nothing to send"
    assert len(post.arrivals()) == 1


async def test_what_was_sent_stays_sent_when_the_run_was_given_to_another_worker(post: Post, work: Work) -> None:
    """The run is taken over between the two transactions: its mail is on its way, and is not sent again."""
    await post.run("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    worker = await post.value("SELECT max(id) FROM procrastinate_workers")
    order_id = await post.make_order()
    job_id = await defer(post.db, "send_order_mail", order_id=order_id, kind="order_created")
    await post.db.commit()
    await post.value(f"SELECT id FROM procrastinate_fetch_job_v2(NULL, {worker})")
    mine = Post(Work(work.settings, work.sessions, Run(job_id or 0, worker, 0)), post.sandbox, post.db)
    post.sandbox.world.faults.add(Fault("smtp", delay_seconds=0.3))
    first = asyncio.create_task(mine.send_order(order_id))
    while not post.arrivals():
        await asyncio.sleep(0.01)
    await post.run("UPDATE procrastinate_jobs SET attempts = attempts + 1 WHERE id = :id", id=job_id)
    assert await first == "sent"
    assert (await post.row()).status == "sent"


async def test_a_second_announcement_is_another_mail(post: Post) -> None:
    order_id = await post.make_order(delivery_type="pickup")
    await post.send_order(order_id, "order_shipped")
    await post.send_order(order_id, "order_shipped", occurrence=7)
    assert len({row.message_id for row in await post.rows()}) == 2
    assert len(post.inbox()) == 2


async def test_an_order_tells_its_own_buyer_everything(post: Post) -> None:
    user = await make_user(post.db, email="Ana@example.com")
    order_id = await post.make_order(
        (2, "Color: Rojo"), (1, ""), user_id=user.id, discount=500, shipping_street="Av. Siempre Viva",
        shipping_number="742", shipping_city="Rosario", payment_method="online",
    )  # fmt: skip
    assert await post.send_order(order_id) == "sent"
    (mail,) = post.inbox()
    assert mail.subject == f"Recibimos tu pedido n.º {order_id}"
    assert mail.text.startswith(
        "Hola, Ana Pérez:\n\n"
        f"Recibimos tu pedido n.º {order_id}. Lo preparamos en cuanto se acredite el pago.\n\n"
        "2 x Producto (Color: Rojo): $ 2.000,00\n"
        "1 x Producto: $ 1.000,00\n"
        "Subtotal: $ 3.000,00\n"
        "Descuentos: -$ 500,00\n"
        "Total: $ 2.500,00\n\n"
        "Lo enviamos a Av. Siempre Viva 742, Rosario.\n\n"
        "Ir a la tienda: https://tienda.test\n\n"
        "-- \nTienda Ñandú\n"
    )
    assert (await post.row()).user_id == user.id


async def test_to_an_address_that_is_not_proven_nothing_goes_that_a_visitor_wrote(post: Post) -> None:
    """Whoever orders may name somebody else's address: the shop's mails are no way to write to strangers."""
    spam = "Ganaste! https://evil.example"
    fields = {"recipient_name": spam, "shipping_street": spam, "shipping_address": spam}
    strangers = await make_user(post.db, email="otra@example.com")
    unproven = await make_user(post.db, email="ana@example.com", email_verified=False)
    for user_id in (strangers.id, unproven.id, None):
        order_id = await post.make_order(user_id=user_id, **fields)
        await post.send_order(order_id, "order_shipped")
    assert len(post.inbox()) == 3
    for mail in post.inbox():
        assert "evil" not in mail.text + mail.html
        assert mail.text.startswith("Hola:\n")


async def test_an_order_that_is_gone_sends_nothing(post: Post) -> None:
    assert await post.send_order(987654321) == "nothing to send"
    assert await post.rows() == []


async def test_an_order_without_an_address_sends_nothing(post: Post) -> None:
    assert await post.send_order(await post.make_order(customer_email="")) == "nothing to send"
    assert (await post.row()).status == "suppressed"
