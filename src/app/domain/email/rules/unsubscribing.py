"""The address at which one click ends marketing mails, and its token. Pure."""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

PATH = "/api/email/unsubscribe/"
_ID_BYTES, _MAC_BYTES = 8, 16
# 24 bytes are 32 characters: no padding, each token has one spelling.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)


def token_of(secret: str, mail_id: int) -> str:
    """The token of a mail that was sent: unguessable, and it tells nothing about the recipient."""
    head = mail_id.to_bytes(_ID_BYTES)
    return urlsafe_b64encode(head + _mac(secret, head)).decode()


def mail_of(secrets: Sequence[str], token: str) -> int | None:
    """The mail whose token this is, signed by any of the secrets; None for anything else."""
    if not _TOKEN.fullmatch(token):
        return None
    raw = urlsafe_b64decode(token)
    head, mac = raw[:_ID_BYTES], raw[_ID_BYTES:]
    if any(hmac.compare_digest(mac, _mac(secret, head)) for secret in secrets):
        return int.from_bytes(head)
    return None


def _mac(secret: str, head: bytes) -> bytes:
    return hmac.digest(secret.encode(), b"unsubscribe\0" + head, "sha256")[:_MAC_BYTES]
