"""A mail as the mail server gets it: headers that cannot be injected into, text first and then HTML."""

import datetime as dt
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Self

import msgspec

# One address, so plain that no header and no command can be smuggled in with it. Longer ones have no mailbox.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII)
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9.-]+@[A-Za-z0-9.-]+>", re.ASCII)
_URL = re.compile(r"https?://[!-;=?-~]+", re.ASCII)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One mail to one recipient.

    With the same `message_id` it is the same mail, however often it is sent. `unsubscribe_url` makes it one that the
    recipient can end with one click (RFC 8058); a POST to it does so.
    """

    to: str
    subject: str
    text: str
    html: str
    message_id: str
    unsubscribe_url: str = ""


def sender_of(mail_from: str) -> Address:
    """The sender as it is written in the settings: `Shop <no-reply@shop.example>` or the address alone."""
    name, address = parseaddr(mail_from)
    return Address(display_name=name, addr_spec=address)


def as_email(message: Message, mail_from: str) -> EmailMessage:
    """The message with its headers, dated now. Raises ValueError for what would be more than one header or address."""
    _check(message)
    email = EmailMessage(policy=SMTP)
    email["From"] = sender_of(mail_from)
    email["To"] = Address(addr_spec=message.to)
    email["Subject"] = message.subject
    email["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    email["Message-ID"] = _Verbatim("Message-ID", message.message_id)
    email["Auto-Submitted"] = "auto-generated"
    if message.unsubscribe_url:
        email["List-Unsubscribe"] = _Verbatim("List-Unsubscribe", f"<{message.unsubscribe_url}>")
        email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        email["Precedence"] = "bulk"
    email.set_content(message.text)
    email.add_alternative(message.html, subtype="html")
    return email


def _check(message: Message) -> None:
    if not _ADDRESS.fullmatch(message.to):
        raise ValueError("the recipient is not one plain address")
    if not message.subject.isprintable():
        raise ValueError("the subject is more than one line")
    if not _MESSAGE_ID.fullmatch(message.message_id):
        raise ValueError("the Message-ID is not one")
    if message.unsubscribe_url and not _URL.fullmatch(message.unsubscribe_url):
        raise ValueError("the address to unsubscribe at is not one")


class _Verbatim(str):
    """A header that is written as it is. The library would break a long one, or encode it, and nobody could read it."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str, value: str) -> Self:
        made = super().__new__(cls, value)
        made.name = name
        return made

    def fold(self, *, policy: EmailPolicy) -> str:
        return f"{self.name}: {self}{policy.linesep}"
