"""Mail servers for tests: aiosmtpd, in clear, with STARTTLS or TLS throughout, and one that answers by a script."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.settings import Settings

FROM = "Tienda Ñandú <no-reply@shop.test>"
USERNAME, PASSWORD = "relay", "the-relay's-own-password"


def mail_settings(port: int, **fields: Any) -> Settings:
    """Settings of a mail server on this machine; the rest is empty."""
    given = {"smtp_host": "127.0.0.1", "smtp_port": port, "mail_from": FROM, **fields}
    return Settings(database_url="", database_admin_url="", secret_key="", **given)


@dataclass
class Desk:
    """Takes everything, and keeps it as it came over the wire."""

    raw: list[bytes] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.original_content, bytes)
        self.raw.append(envelope.original_content)
        self.envelopes.append(envelope)
        return "250 2.0.0 OK queued as ABC123"

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw]


@dataclass(frozen=True)
class Running:
    port: int
    desk: Desk


@asynccontextmanager
async def mail_server(*, implicit: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Running]:
    """aiosmtpd on a free port; `options` are its own."""
    desk = Desk()
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(desk, enable_SMTPUTF8=True, hostname="mx.test", loop=loop, **options)

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=implicit)
    async with server:
        yield Running(server.sockets[0].getsockname()[1], desk)


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


HANG = "hang"
DROP = "drop"
USUAL = {
    "CONNECT": "220 mx.test ESMTP",
    "EHLO": "250-mx.test\r\n250 8BITMIME",
    "HELO": "250 mx.test",
    "MAIL": "250 2.1.0 OK",
    "RCPT": "250 2.1.5 OK",
    "DATA": "354 go on",
    "MESSAGE": "250 2.0.0 OK queued",
    "RSET": "250 2.0.0 OK",
    "QUIT": "221 2.0.0 bye",
}


class Script:
    """Answers each command by a table; `HANG` gives no answer, `DROP` closes. `heard` is what came."""

    def __init__(self, answers: Mapping[str, str], pause: float) -> None:
        self.answers = {**USUAL, **answers}
        self.pause = pause
        self.heard: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer("CONNECT", writer)
            while line := (await reader.readline()).decode().strip():
                command = line.split()[0].upper()
                self.heard.append(line)
                await self._answer(command, writer)
                if command == "DATA" and self.answers["DATA"].startswith("354"):
                    await reader.readuntil(b"\r\n.\r\n")
                    self.heard.append("MESSAGE")
                    await self._answer("MESSAGE", writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, command: str, writer: asyncio.StreamWriter) -> None:
        answer = self.answers.get(command, "502 5.5.1 unknown")
        if answer == DROP:
            raise ConnectionResetError
        if answer == HANG:
            await asyncio.Event().wait()
        await asyncio.sleep(self.pause)
        writer.write(f"{answer}\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def scripted(answers: Mapping[str, str], *, pause: float = 0.0) -> AsyncIterator[tuple[int, Script]]:
    """A server on a free port that keeps to the script; it takes `pause` seconds for each answer."""
    script = Script(answers, pause)
    talks: set[asyncio.Task[None]] = set()

    def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(script.talk(reader, writer)))

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], script
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server at 127.0.0.1, and for a client that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / "certificate.pem"
    file.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, form, plain))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
