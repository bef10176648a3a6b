"""Six digits that prove an address: how they are made, and what may be asked of them. Pure.

A code is never stored. It follows from the application's secret, the row's id and the row's random salt, so that the
job that mails it can make it again; what is stored beside them is a digest that the secret is needed for as well.
"""

import hmac
import re
from typing import Literal, get_args

from app.errors import Refused

Purpose = Literal["EMAIL_VERIFICATION", "PASSWORD_RESET", "EMAIL_CHANGE", "PASSWORD_CHANGE"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)

LIFE_MINUTES = 10
TRIES = 5
SALT_BYTES = 16
# Of one user and purpose. New codes bring new tries: without an end to them a million guesses would be a matter of
# addresses to guess from. The first bound is for guessing, the second for somebody else's mailbox.
TRIES_A_DAY = 50
CODES_AN_HOUR = 250
_DIGITS = 6
_CODE = re.compile(rf"[0-9]{{{_DIGITS}}}", re.ASCII)


def is_code(text: str) -> bool:
    """Whether a text can be a code at all: looking costs a try only then."""
    return _CODE.fullmatch(text) is not None


def code_of(secret: str, code_id: int, salt: bytes) -> str:
    """The code of a row. The remainder's bias is below one in ten trillion."""
    mac = hmac.digest(secret.encode(), b"verification code\0%d\0%b" % (code_id, salt), "sha256")
    return f"{int.from_bytes(mac[:8]) % 10**_DIGITS:0{_DIGITS}}"


def digest_of(secret: str, code_id: int, salt: bytes, code: str) -> bytes:
    """What is stored of a code: useless to who reads the table without the secret."""
    return hmac.digest(secret.encode(), b"verification digest\0%d\0%b\0%b" % (code_id, salt, code.encode()), "sha256")


class CodeRefused(Refused):
    """Código inválido o expirado"""
