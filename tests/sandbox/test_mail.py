"""The mail server, with the client that the shop uses."""

import time
from email import policy
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import Sandbox


def letter(to: str = "ana@example.com", html: str = "") -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = "Tienda Ñandú <no-reply@shop.test>"
    message["To"] = to
    message["Subject"] = "Tu pedido #1042 — confirmación"
    message.set_content("Hola Ana:\nTu código es 482913.\n")
    if html:
        message.add_alternative(html, subtype="html")
    return message


async def deliver(sandbox: Sandbox, message: EmailMessage, **options: str) -> tuple[dict[str, object], str]:
    errors, words = await aiosmtplib.send(
        message,
        hostname="127.0.0.1",
        port=sandbox.smtp_port,
        use_tls=False,
        start_tls=False,
        timeout=5,
        **options,  # type: ignore[arg-type]
    )
    return dict(errors), words


async def test_a_mail_lies_in_its_inbox(sandbox: Sandbox, web: httpx.AsyncClient) -> None:
    errors, words = await deliver(sandbox, letter(html="<p>Tu código es <b>482913</b></p>"))
    assert (errors, words) == ({}, "2.0.0 OK queued")
    (mail,) = (await web.get("/inbox.json")).json()
    assert mail == {
        "to": "ana@example.com",
        "subject": "Tu pedido #1042 — confirmación",
        "text": "Hola Ana:\nTu código es 482913.\n",
        "html": "<p>Tu código es <b>482913</b></p>\n",
        "sent_at": mail["sent_at"],
    }
    (whole,) = (await web.get("/__emu__/mails")).json()
    assert whole == mail | {"message_id": whole["message_id"]}


async def test_inboxes_are_apart_and_newest_first(sandbox: Sandbox, web: httpx.AsyncClient) -> None:
    await deliver(sandbox, letter("ana@example.com, beto@example.com"))
    await deliver(sandbox, letter("Ana@Example.com"))
    found = (await web.get("/inbox.json", params={"to": "ANA@example.com"})).json()
    assert [mail["to"] for mail in found] == ["Ana@Example.com", "ana@example.com"]
    assert [mail["html"] for mail in found] == ["", ""]
    assert len((await web.get("/inbox.json")).json()) == 3
    assert (await web.get("/inbox.json", params={"to": "carla@example.com"})).json() == []


async def test_any_login_will_do(sandbox: Sandbox) -> None:
    assert (await deliver(sandbox, letter(), username="shop", password="secret"))[0] == {}


async def test_recipients_that_are_refused(sandbox: Sandbox, web: httpx.AsyncClient) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refusal:
        await deliver(sandbox, letter("nouser@example.com"))
    assert refusal.value.recipients[0].code == 550
    errors, _ = await deliver(sandbox, letter("ana@example.com, grey@example.com"))
    assert list(errors) == ["grey@example.com"]
    assert [mail["to"] for mail in (await web.get("/inbox.json")).json()] == ["ana@example.com"]


@pytest.mark.parametrize(("status", "code"), [(451, 451), (554, 554), (503, 503), (302, 451)])
async def test_refused_mails(sandbox: Sandbox, status: int, code: int) -> None:
    sandbox.world.faults.add(Fault(provider="smtp", status=status))
    with pytest.raises(aiosmtplib.SMTPDataError) as refusal:
        await deliver(sandbox, letter())
    assert refusal.value.code == code
    assert sandbox.world.ledger.mails.total == 0
    await deliver(sandbox, letter())
    assert sandbox.world.ledger.mails.total == 1


async def test_a_dropped_connection_after_delivering(sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(provider="smtp", drop=True))
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await deliver(sandbox, letter())
    assert sandbox.world.ledger.mails.total == 1


async def test_a_late_answer(sandbox: Sandbox) -> None:
    sandbox.world.faults.add(Fault(provider="smtp", delay_seconds=0.05))
    begun = time.monotonic()
    await deliver(sandbox, letter())
    assert time.monotonic() - begun >= 0.05


async def test_mails_are_in_the_request_log(sandbox: Sandbox, web: httpx.AsyncClient) -> None:
    await deliver(sandbox, letter("ana@example.com, beto@example.com"))
    (entry,) = (await web.get("/__emu__/requests?provider=smtp")).json()
    assert (entry["method"], entry["path"]) == ("DATA", "ana@example.com,beto@example.com")
    assert entry["headers"]["subject"] == "Tu pedido #1042 — confirmación"
    assert "482913" in entry["body"]


async def test_a_mail_that_is_hardly_one(sandbox: Sandbox, web: httpx.AsyncClient) -> None:
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=sandbox.smtp_port, start_tls=False)
    async with client:
        await client.sendmail("a@shop.test", ["ana@example.com"], b"\xff\xfe no headers at all")
        await client.sendmail(
            "a@shop.test", ["ana@example.com"], b"Content-Type: text/plain; charset=nonsense\r\n\r\nhola"
        )
    assert len((await web.get("/inbox.json")).json()) == 2
