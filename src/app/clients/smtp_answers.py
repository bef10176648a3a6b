"""What a mail server's refusal or silence means for the mail: which error of ours it is."""

import re
import ssl
from typing import ClassVar

import aiosmtplib

from app.clients.errors import BadRequestError, NotPermitted, OutcomeUnknown, ProviderError, Unavailable

RETRY_SECONDS = 60.0
TEXT_LENGTH = 300
# The classes and subjects of RFC 3463; `5.1.x` is about the recipient's address.
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?=\s|$)")
# `5.1.7` and `5.1.8` are about the sender's.
_ABOUT_RECIPIENT = re.compile(r"5\.1\.(?!7\b|8\b)[0-9]+")


class HandedOver(OutcomeUnknown):
    """The server got the message and its answer was lost. It may be sent again with the same Message-ID alone."""


class ServerUnfit(ProviderError):
    """The server's certificate or abilities are not what the settings ask for. A few more tries, and a person."""

    retryable: ClassVar[bool] = True


class CredentialsRefused(NotPermitted):
    """The server does not let us in: every further try counts against the account."""


class Rejected(ProviderError):
    """The server will never take this message."""


class AddressRefused(Rejected):
    """There is no such mailbox."""


def failure_of(error: Exception, *, handed_over: bool) -> ProviderError:
    """Our error for what sending raised. `handed_over` says whether the message itself had left by then."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            return _of_code(error.recipients[0], about_recipient=True)
        case aiosmtplib.SMTPAuthenticationError() if error.code >= 500:
            return CredentialsRefused(_said(error), code=_enhanced(error.message), status=error.code)
        case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError() if error.code >= 500:
            # It says no to us, not to this message.
            return ServerUnfit(_said(error), code=_enhanced(error.message), status=error.code)
        case aiosmtplib.SMTPResponseException() if 400 <= error.code <= 599:
            return _of_code(error, about_recipient=isinstance(error, aiosmtplib.SMTPDataError))
    return _without_code(error, handed_over=handed_over)


def _of_code(error: aiosmtplib.SMTPResponseException, *, about_recipient: bool) -> ProviderError:
    code, said = _enhanced(error.message), _said(error)
    if error.code < 500:
        return Unavailable(said, retry_after=RETRY_SECONDS, code=code, status=error.code)
    if error.code == 530:
        return CredentialsRefused(said, code=code, status=error.code)
    if about_recipient and error.code == 550 and _ABOUT_RECIPIENT.fullmatch(code):
        return AddressRefused(said, code=code, status=error.code)
    return Rejected(said, code=code, status=error.code)


def _without_code(error: Exception, *, handed_over: bool) -> ProviderError:
    """Silence, a broken connection, or a server that cannot do what is asked."""
    said = one_line(str(error) or type(error).__name__)
    if _is_about_tls(error):
        return ServerUnfit(said, code="tls")
    if isinstance(error, ValueError):
        return BadRequestError(said)
    if handed_over:
        return HandedOver(f"the answer was lost: {said}")
    if isinstance(error, aiosmtplib.SMTPResponseException | ConnectionError | TimeoutError):
        return Unavailable(said, retry_after=RETRY_SECONDS)
    return ServerUnfit(said)


def _is_about_tls(error: Exception) -> bool:
    """Whether TLS itself failed: an unknown certificate, or no TLS at all at the other end."""
    return isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError)


def _enhanced(text: str) -> str:
    """The enhanced status code that a server's text begins with, or an empty text."""
    found = _ENHANCED.match(text)
    return found[1] if found else ""


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    return one_line(f"{error.code} {error.message}")


def one_line(text: str) -> str:
    """A server's text, bounded and without anything that a log or a page could take for more than text."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:TEXT_LENGTH]
