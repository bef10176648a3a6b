"""The pictures of one Cloudinary account, and its signatures."""

import hashlib
import hmac
import secrets
import string
import time
from collections.abc import Mapping

import msgspec

NAME, KEY, SECRET = "demo", "123456789012345", "sandbox-cloudinary-secret"  # the sandbox's only account
STALE_SECONDS = 3600
# Sent, but no part of what is signed.
UNSIGNED = frozenset({"file", "cloud_name", "resource_type", "api_key", "signature"})
_HASHES = {40: hashlib.sha1, 64: hashlib.sha256}


class Asset(msgspec.Struct):
    """A stored picture."""

    public_id: str
    version: int
    format: str
    width: int
    height: int
    content: bytes


class Cloud:
    """What was uploaded and not destroyed."""

    def __init__(self) -> None:
        self.assets: dict[str, Asset] = {}

    def reset(self) -> None:
        self.assets.clear()

    def new_id(self) -> str:
        return "".join(secrets.choice(string.ascii_lowercase) for _ in range(20))

    def put(self, asset: Asset) -> Asset:
        """Over one of the same name its version goes up."""
        before = self.assets.get(asset.public_id)
        asset.version = max(int(time.time()), before.version + 1 if before else 0)
        self.assets[asset.public_id] = asset
        return asset


def strings_to_sign(fields: Mapping[str, str]) -> list[str]:
    """By both versions of the signature: since the second, `&` in a value is escaped."""
    pairs = sorted((name, value) for name, value in fields.items() if name not in UNSIGNED and value)
    plain = "&".join(f"{name}={value}" for name, value in pairs)
    escaped = "&".join(f"{name}={value.replace('&', '%26')}" for name, value in pairs)
    return [escaped, plain]


def is_signed(fields: Mapping[str, str]) -> bool:
    given = fields.get("signature", "")
    algorithm = _HASHES.get(len(given))
    if algorithm is None or not given.isascii():
        return False
    expected = [algorithm(f"{text}{SECRET}".encode()).hexdigest() for text in strings_to_sign(fields)]
    return any(hmac.compare_digest(given, each) for each in expected)


def answer_signature(public_id: str, version: int) -> str:
    """By which a client knows that an answer is Cloudinary's."""
    return hashlib.sha1(f"public_id={public_id}&version={version}{SECRET}".encode()).hexdigest()  # noqa: S324
