"""Receivers' secrets at rest: sealed with a key made of ours, so that a copy of the database signs nothing."""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, MultiFernet

from app.settings import Settings

PURPOSE = b"relampago webhook secrets"


class Seals:
    """Seals with the present key, opens what the present or the previous one has sealed."""

    def __init__(self, settings: Settings) -> None:
        keys = [key for key in (settings.secret_key, settings.secret_key_previous) if key]
        self._box = MultiFernet([Fernet(_derived(key)) for key in keys])

    def seal(self, secret: bytes) -> bytes:
        return self._box.encrypt(secret)

    def open(self, sealed: bytes) -> bytes:
        """Raises InvalidToken when neither key has sealed it."""
        return self._box.decrypt(sealed)

    def again(self, sealed: bytes) -> bytes:
        """The same secret sealed with the present key."""
        return self._box.rotate(sealed)


def _derived(key: str) -> bytes:
    return base64.urlsafe_b64encode(hmac.new(key.encode(), PURPOSE, hashlib.sha256).digest())
