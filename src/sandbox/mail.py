"""The mail server: takes everything, delivers it to inboxes that the page shows, and fails when it is told to.

Recipients that begin with `nouser@` are refused for good and those that begin with `grey@` for the time being.
"""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from sandbox.faults import Fault
from sandbox.ledger import Arrival, Mail, now
from sandbox.world import World

MAX_BYTES = 10 << 20


class Desk:
    """What the mail server does with a recipient and with a message."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nouser@"):
            return "550 5.1.1 The email account that you tried to reach does not exist"
        if address.startswith("grey@"):
            return "451 4.7.1 Greylisted, please try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, policy=policy.default)
        self._note(envelope, message, content)
        fault = self._world.faults.next("smtp")
        if fault is None:
            self._deliver(envelope, message)
            return "250 2.0.0 OK queued"
        return await self._fail(fault, server, envelope, message)

    async def _fail(self, fault: Fault, server: SMTP, envelope: Envelope, message: EmailMessage) -> str:
        refused = fault.status is not None and not fault.drop
        if not refused:
            self._deliver(envelope, message)
        await asyncio.sleep(fault.delay_seconds or 0.0)
        if fault.drop and isinstance(server.transport, asyncio.WriteTransport):
            server.transport.abort()
        return _refusal(fault.status or 451) if refused else "250 2.0.0 OK queued"

    def _note(self, envelope: Envelope, message: EmailMessage, content: bytes) -> None:
        headers = [(name.lower(), str(value)) for name, value in message.items()]
        path = ",".join(envelope.rcpt_tos)
        self._world.ledger.requests.append(Arrival("smtp", "DATA", path, "", headers, content, now()))

    def _deliver(self, envelope: Envelope, message: EmailMessage) -> None:
        text, html = _part(message, "plain"), _part(message, "html")
        subject, number = (str(message.get(name, "")) for name in ("subject", "message-id"))
        for to in envelope.rcpt_tos:
            self._world.ledger.mails.add(Mail(to, subject, text, html, now(), number))


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    try:
        content: Any = part.get_content() if part is not None else ""
    except LookupError:
        # An encoding that nobody knows.
        content = part.get_payload() if part is not None else ""
    return content.replace("\r\n", "\n") if isinstance(content, str) else ""


def _refusal(status: int) -> str:
    """SMTP's codes are of three digits too, from 400 for the time being and from 500 for good."""
    return f"{status if 400 <= status <= 599 else 451} The sandbox was told to refuse this"


class MailServer:
    """Listens on the loopback from `open` to `close`; `port` is then the real one if 0 was asked for."""

    def __init__(self, world: World, port: int) -> None:
        self._desk = Desk(world)
        self.port = port
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._session, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _session(self) -> SMTP:
        return SMTP(
            self._desk,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="sandbox",
            ident="sandbox",
            authenticator=_let_in,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )


def _let_in(*_: Any) -> AuthResult:
    return AuthResult(success=True)
