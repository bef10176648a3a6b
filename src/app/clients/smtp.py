"""The mail server: one message to one recipient over SMTP, and what its answer means."""

import asyncio
import ssl
from contextlib import suppress
from email.errors import MessageError
from functools import cache
from typing import Any, Self

import aiosmtplib
import msgspec

from app import errors
from app.clients import smtp_answers
from app.clients.errors import BadRequestError, NotConfigured
from app.clients.smtp_messages import Message, as_email, sender_of
from app.metrics import provider_call
from app.settings import Settings

# For each answer, and for all of them together: a job that sends ends well before its own limit.
ANSWER_SECONDS = 20.0
TOTAL_SECONDS = 40.0
GOODBYE_SECONDS = 1.0


class MailUnavailable(errors.Unavailable):
    """El envío de correos no está disponible"""

    key = "error"
    code = "mail_unavailable"


def is_configured(settings: Settings) -> bool:
    """Whether there is a mail server to send by."""
    return bool(settings.smtp_host and settings.mail_from)


def require_mail(settings: Settings) -> None:
    """To be called before anything is changed that ends in a mail. Raises MailUnavailable without a mail server."""
    if not is_configured(settings):
        raise MailUnavailable(retry_after=300)


class Receipt(msgspec.Struct, frozen=True):
    """The mail server took the message; `answer` is its last word, often with a queue's id."""

    answer: str


class SmtpClient:
    """Sends mails, each over a connection of its own. Nothing has to be closed."""

    def __init__(
        self,
        settings: Settings,
        *,
        tls_context: ssl.SSLContext | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._settings = settings
        self._tls_context = tls_context
        self._answer_seconds = answer_seconds
        self._total_seconds = total_seconds

    @classmethod
    def from_settings(cls, settings: Settings, **seconds: float) -> Self:
        """A client for the settings' server, whose certificate is checked against the system's authorities."""
        context = None if settings.smtp_tls_mode == "none" else _system_authorities()
        return cls(settings, tls_context=context, **seconds)

    async def send(self, message: Message) -> Receipt:
        """Hand one message to the mail server.

        Raises, by what the caller does next: Unavailable (again later: the server does not have it), HandedOver (again
        later, with the same Message-ID alone: the server may have it), ServerUnfit (again a few times: its certificate
        or abilities are not what the settings ask for), CredentialsRefused (nothing more until a person has acted),
        AddressRefused (never again to this address), Rejected and BadRequestError (never again), NotConfigured. All are
        ProviderError.
        """
        if not is_configured(self._settings):
            raise NotConfigured("SMTP_HOST is not set")
        try:
            email = as_email(message, self._settings.mail_from)
        except (ValueError, MessageError) as error:
            raise BadRequestError(f"the message cannot be built: {error}") from error
        connection = self._connection()
        try:
            async with asyncio.timeout(self._total_seconds):
                with provider_call("smtp"):
                    await connection.connect()
                    sender = sender_of(self._settings.mail_from).addr_spec
                    sent = await connection.send_message(email, sender=sender, recipients=[message.to])
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise smtp_answers.failure_of(error, handed_over=connection.handed_over) from error
        finally:
            await _leave(connection)
        return Receipt(smtp_answers.one_line(sent[1]))

    async def greet(self) -> None:
        """Connect, secure the connection, sign in, and leave: everything but a mail. Raises what `send` raises."""
        if not is_configured(self._settings):
            raise NotConfigured("SMTP_HOST is not set")
        connection = self._connection()
        try:
            async with asyncio.timeout(self._total_seconds):
                await connection.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise smtp_answers.failure_of(error, handed_over=False) from error
        finally:
            await _leave(connection)

    def _connection(self) -> "_Connection":
        settings = self._settings
        return _Connection(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username or None,
            password=settings.smtp_password or None,
            # What the client calls itself; by itself it would ask the name service, which may take long.
            local_hostname=sender_of(settings.mail_from).domain,
            use_tls=settings.smtp_tls_mode == "implicit",
            # Never left open: aiosmtplib would then go on in clear with a server that does not offer TLS.
            start_tls=settings.smtp_tls_mode == "starttls",
            tls_context=self._tls_context,
            timeout=self._answer_seconds,
        )


class _Connection(aiosmtplib.SMTP):
    """Knows whether the message itself was handed over: then a lost answer leaves it open what became of it."""

    handed_over = False

    async def data(self, *args: Any, **options: Any) -> aiosmtplib.SMTPResponse:
        self.handed_over = True
        return await super().data(*args, **options)


async def _leave(connection: _Connection) -> None:
    """Close politely, if that is quick: what was taken is taken, whatever happens to the goodbye."""
    if connection.is_connected:
        with suppress(aiosmtplib.SMTPException, OSError):
            await connection.quit(timeout=GOODBYE_SECONDS)
    connection.close()


@cache
def _system_authorities() -> ssl.SSLContext:
    """Read once: it takes a while."""
    return ssl.create_default_context()
