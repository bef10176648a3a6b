"""Mail over real sockets: the message as it arrives, and each row of what may go wrong."""

import re
import ssl
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import pytest

from app.clients.errors import BadRequestError, NotConfigured, ProviderError, Unavailable
from app.clients.smtp import MailUnavailable, SmtpClient, is_configured, require_mail
from app.clients.smtp_answers import AddressRefused, CredentialsRefused, HandedOver, Rejected, ServerUnfit
from app.clients.smtp_messages import Message
from tests.clients.mail_servers import (
    DROP,
    HANG,
    PASSWORD,
    USERNAME,
    authenticate,
    mail_server,
    mail_settings,
    make_certificate,
    scripted,
)

SOON = 0.2
MAIL = Message(
    to="ana@example.com",
    subject="Tu pedido n.º 1042 — confirmación",
    text="Hola, Ñandú:\n.\nEsto es todo.\n",
    html="<p>Hola, <b>Ñandú</b></p>\n",
    message_id="<0123456789abcdef@shop.test>",
)
LONG_URL = f"https://api.una-tienda-con-nombre-largo.example.com.ar/api/email/unsubscribe/{'A' * 32}/"
Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def client_at(port: int, context: ssl.SSLContext | None = None, **fields: Any) -> SmtpClient:
    return SmtpClient(mail_settings(port, **fields), tls_context=context, answer_seconds=SOON, total_seconds=4 * SOON)


async def failure_at(port: int, message: Message = MAIL, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as failure:
        await client_at(port, **options).send(message)
    return failure.value


async def failure_of(**answers: str) -> ProviderError:
    """What the client makes of a server that answers so."""
    async with scripted(answers) as (port, _):
        return await failure_at(port)


async def test_the_message_as_it_arrives() -> None:
    async with mail_server() as server:
        receipt = await client_at(server.port).send(MAIL)
    assert receipt.answer == "2.0.0 OK queued as ABC123"
    (envelope,), (raw,), (message,) = server.desk.envelopes, server.desk.raw, server.desk.messages
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@shop.test", ["ana@example.com"])
    head, _, _ = raw.partition(b"\r\n\r\n")
    assert b"From: Tienda =?utf-8?q?=C3=91and=C3=BA?= <no-reply@shop.test>\r\n" in head
    assert head.isascii()
    assert message["From"] == "Tienda Ñandú <no-reply@shop.test>"
    assert message["To"] == "ana@example.com"
    assert message["Subject"] == MAIL.subject
    assert message["Message-ID"] == MAIL.message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(message["Date"]).tzinfo is not None
    assert message["List-Unsubscribe"] is None
    assert message["Precedence"] is None
    assert message["Bcc"] is None


async def test_text_comes_before_html_and_both_are_utf8() -> None:
    async with mail_server() as server:
        await client_at(server.port).send(MAIL)
    (message,) = server.desk.messages
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert [part.get_content_type() for part in (text, html)] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in (text, html)] == ["utf-8", "utf-8"]
    # A lone point ends no message.
    assert text.get_content().replace("\r\n", "\n") == MAIL.text
    assert html.get_content().replace("\r\n", "\n") == MAIL.html


async def test_a_server_without_8_bits_gets_ascii() -> None:
    async with mail_server(decode_data=False) as server, scripted({"EHLO": "502 no"}) as (port, script):
        await client_at(port).send(MAIL)
        await client_at(server.port).send(MAIL)
    assert [line.split()[0] for line in script.heard] == ["EHLO", "HELO", "MAIL", "RCPT", "DATA", "MESSAGE", "QUIT"]
    assert "8BITMIME" not in script.heard[2]


async def test_marketing_can_be_ended_by_one_click_however_long_the_address() -> None:
    async with mail_server() as server:
        await client_at(server.port).send(msgspec.structs.replace(MAIL, unsubscribe_url=LONG_URL))
    (raw,), (message,) = server.desk.raw, server.desk.messages
    assert f"\r\nList-Unsubscribe: <{LONG_URL}>\r\n".encode() in raw
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Precedence"] == "bulk"


# aiosmtpd does not see that it is inside TLS already.
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_over_tls_with_credentials(tls: Contexts, mode: str) -> None:
    theirs, ours = tls
    options: dict[str, Any] = {"authenticator": authenticate, "auth_required": True}
    if mode == "implicit":
        options |= {"implicit": theirs, "auth_require_tls": False}
    else:
        options |= {"tls_context": theirs, "require_starttls": True}
    login: dict[str, Any] = {"smtp_username": USERNAME, "smtp_password": PASSWORD, "smtp_tls_mode": mode}
    async with mail_server(**options) as server:
        await client_at(server.port, ours, **login).send(MAIL)
        assert len(server.desk.raw) == 1
        refused = await failure_at(server.port, context=ours, **{**login, "smtp_password": "wrong"})
    assert type(refused) is CredentialsRefused
    assert (refused.status, refused.code, refused.retryable) == (535, "5.7.8", False)
    assert "wrong" not in refused.message
    assert len(server.desk.raw) == 1


async def test_nothing_goes_in_clear_to_a_server_without_starttls() -> None:
    async with mail_server() as server:
        failure = await failure_at(server.port, smtp_tls_mode="starttls")
        assert server.desk.raw == []
    assert type(failure) is ServerUnfit
    assert failure.message == "SMTP STARTTLS extension not supported by server."


async def test_a_password_without_tls_is_not_sent(tls: Contexts) -> None:
    login: dict[str, Any] = {"smtp_username": USERNAME, "smtp_password": PASSWORD}
    async with mail_server(tls_context=tls[0], require_starttls=True, authenticator=authenticate) as server:
        failure = await failure_at(server.port, **login)
    assert type(failure) is ServerUnfit
    assert "AUTH extension is not supported" in failure.message


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_an_unknown_certificate(tls: Contexts, mode: str) -> None:
    theirs, _ = tls
    options: dict[str, Any] = {"implicit": theirs} if mode == "implicit" else {"tls_context": theirs}
    async with mail_server(**options) as server:
        stranger = ssl.create_default_context()
        failure = await failure_at(server.port, context=stranger, smtp_tls_mode=mode)
    assert type(failure) is ServerUnfit
    assert (failure.code, failure.retryable) == ("tls", True)
    assert "CERTIFICATE_VERIFY_FAILED" in failure.message


async def test_tls_at_a_port_that_speaks_in_clear(tls: Contexts) -> None:
    async with mail_server() as server:
        failure = await failure_at(server.port, context=tls[1], smtp_tls_mode="implicit")
    assert type(failure) is ServerUnfit
    assert failure.code == "tls"


async def test_nobody_listens() -> None:
    async with scripted({}) as (port, _):
        pass
    failure = await failure_at(port)
    assert type(failure) is Unavailable
    assert (failure.retryable, failure.outcome_unknown) == (True, False)


@pytest.mark.parametrize(
    ("answers", "kind", "status", "code"),
    [
        ({"CONNECT": "421 4.3.2 shutting down"}, Unavailable, 421, "4.3.2"),
        ({"CONNECT": "554 no service here"}, ServerUnfit, 554, ""),
        ({"CONNECT": "hello"}, Unavailable, 0, ""),
        ({"EHLO": "550 go away", "HELO": "550 go away"}, ServerUnfit, 550, ""),
        ({"MAIL": "451 4.3.0 busy"}, Unavailable, 451, "4.3.0"),
        ({"MAIL": "530 5.7.0 authentication required"}, CredentialsRefused, 530, "5.7.0"),
        ({"MAIL": "550 5.1.8 bad sender"}, Rejected, 550, "5.1.8"),
        ({"MAIL": "552 5.3.4 too big"}, Rejected, 552, "5.3.4"),
        ({"RCPT": "550 5.1.1 no such mailbox"}, AddressRefused, 550, "5.1.1"),
        ({"RCPT": "550 5.1.10 null mx"}, AddressRefused, 550, "5.1.10"),
        ({"RCPT": "550 5.1.8 bad sender"}, Rejected, 550, "5.1.8"),
        ({"RCPT": "550 5.7.1 relaying denied"}, Rejected, 550, "5.7.1"),
        ({"RCPT": "550 mailbox unavailable"}, Rejected, 550, ""),
        ({"RCPT": "451 4.7.1 greylisted"}, Unavailable, 451, "4.7.1"),
        ({"RCPT": "452 4.2.2 mailbox full"}, Unavailable, 452, "4.2.2"),
        ({"DATA": "451 4.3.0 later"}, Unavailable, 451, "4.3.0"),
        ({"MESSAGE": "452 4.3.1 disk full"}, Unavailable, 452, "4.3.1"),
        ({"MESSAGE": "554 5.7.1 looks like spam"}, Rejected, 554, "5.7.1"),
        ({"MESSAGE": "550 5.1.1 no such mailbox"}, AddressRefused, 550, "5.1.1"),
    ],
)
async def test_refusals(answers: dict[str, str], kind: type[ProviderError], status: int, code: str) -> None:
    failure = await failure_of(**answers)
    assert type(failure) is kind
    assert (failure.status, failure.code) == (status, code)
    assert failure.outcome_unknown is False


@pytest.mark.parametrize("moment", ["CONNECT", "EHLO", "MAIL", "RCPT"])
@pytest.mark.parametrize("how", [DROP, HANG])
async def test_silence_before_the_message_means_that_it_was_not_sent(moment: str, how: str) -> None:
    failure = await failure_of(**{moment: how})
    assert type(failure) is Unavailable
    assert failure.outcome_unknown is False


@pytest.mark.parametrize("how", [DROP, HANG])
async def test_silence_after_the_message_leaves_it_open(how: str) -> None:
    failure = await failure_of(MESSAGE=how)
    assert type(failure) is HandedOver
    assert (failure.retryable, failure.outcome_unknown) == (False, True)


@pytest.mark.parametrize("how", [DROP, HANG, "500 what"])
async def test_what_was_taken_is_sent_whatever_the_goodbye(how: str) -> None:
    async with scripted({"QUIT": how}) as (port, _):
        assert (await client_at(port).send(MAIL)).answer == "2.0.0 OK queued"


async def test_slow_answers_have_an_end_together() -> None:
    """Each comes in time; a job that waits for them all has a limit of its own."""
    async with scripted({}, pause=0.7 * SOON) as (port, script):
        slow = SmtpClient(mail_settings(port), answer_seconds=SOON, total_seconds=2 * SOON)
        with pytest.raises(Unavailable):
            await slow.send(MAIL)
    assert "MESSAGE" not in script.heard


INJECTED = "x\r\nBcc: thief@example.com"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": INJECTED},
        {"subject": "a\nb"},
        {"subject": "a\rb"},
        {"subject": "a\u2028b"},
        {"subject": "a\x00b"},
        {"subject": "a\x1b[31mb"},
        {"to": "ana@example.com\r\nBcc: thief@example.com"},
        {"to": "ana@example.com\r\nRCPT TO:<thief@example.com>"},
        {"to": "ana@example.com, thief@example.com"},
        {"to": "ana@example.com> SIZE=1"},
        {"to": "Ana <ana@example.com>"},
        {"to": '"a b"@example.com'},
        {"to": "ana@exámple.com"},
        {"to": "ana"},
        {"to": ""},
        {"message_id": "<a@b>\r\nBcc: thief@example.com"},
        {"message_id": "a"},
        {"unsubscribe_url": "https://a.example/>\r\nBcc: thief@example.com"},
        {"unsubscribe_url": "javascript:alert(1)"},
    ],
)
async def test_nothing_is_smuggled_into_headers_or_commands(changes: dict[str, str]) -> None:
    async with scripted({}) as (port, script):
        failure = await failure_at(port, msgspec.structs.replace(MAIL, **changes))
    assert type(failure) is BadRequestError
    assert script.heard == []


async def test_a_body_may_say_anything() -> None:
    nasty = "Bcc: thief@example.com\r\n.\r\nMAIL FROM:<a@b>\n\n.\n\r.\r" + "á" * 3000 + "\x00"
    async with mail_server() as server:
        await client_at(server.port).send(msgspec.structs.replace(MAIL, text=nasty, html=nasty))
    (message,) = server.desk.messages
    assert message["Bcc"] is None
    assert len(server.desk.raw) == 1
    assert all(len(line) <= 998 for line in re.split(rb"\r\n", server.desk.raw[0]))


async def test_a_servers_text_stays_one_short_line() -> None:
    failure = await failure_of(RCPT="550-5.1.1 first\r\n550 5.1.1 \x1b[31m" + "x" * 900)
    assert failure.message.isprintable()
    assert len(failure.message) == 300
    assert failure.message.startswith("550 5.1.1 first 5.1.1 [31mxxx")


async def test_without_a_server_nothing_is_tried() -> None:
    settings = mail_settings(25, smtp_host="")
    assert not is_configured(settings)
    with pytest.raises(NotConfigured):
        await SmtpClient.from_settings(settings).send(MAIL)
    with pytest.raises(MailUnavailable) as refused:
        require_mail(settings)
    assert refused.value.status == 503
    assert refused.value.body() == {"error": "El envío de correos no está disponible", "code": "mail_unavailable"}
    require_mail(mail_settings(25))
