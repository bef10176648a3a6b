"""Who sent a notification: MercadoPago's signature over the raw parts of the request. Pure but for HMAC."""

import hashlib
import hmac
import re

import msgspec

TOLERANCE_SECONDS = 600
# Beyond this a timestamp is in milliseconds: the panel's simulator sends those, production sends seconds.
_MILLISECONDS = 10**12
_TIMESTAMP = re.compile(r"[0-9]{1,16}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONGEST_HEADER = 512


class BadSignature(Exception):
    """The notification is not MercadoPago's, or too old; the message is the reason, for the log."""


class Signed(msgspec.Struct, frozen=True):
    """The parts that are signed: `data.id` of the query and `x-request-id`, empty where the request has none."""

    data_id: str
    request_id: str


def manifest(parts: Signed, timestamp: str) -> str:
    """What is signed. A part without a value is left out whole; the timestamp is the raw text."""
    pairs = (("id", parts.data_id), ("request-id", parts.request_id), ("ts", timestamp))
    return "".join(f"{name}:{value};" for name, value in pairs if value)


def sign(secret: str, parts: Signed, timestamp: str) -> str:
    """The header's `v1`."""
    return hmac.new(secret.encode(), manifest(parts, timestamp).encode(), hashlib.sha256).hexdigest()


def verify(secret: str, header: str, parts: Signed, now: float) -> None:
    """Raises BadSignature unless the header signs the parts within TOLERANCE_SECONDS of `now`.

    The id counts as it was sent or in lower case: MercadoPago's own libraries disagree. Without a secret nothing is
    ever good.
    """
    if not secret:
        raise BadSignature("no secret is configured")
    timestamp, digest = _read(header)
    spellings = {parts.data_id, parts.data_id.lower()}
    good = [
        hmac.compare_digest(sign(secret, Signed(spelling, parts.request_id), timestamp), digest)
        for spelling in sorted(spellings)
    ]
    if not any(good):
        raise BadSignature("the signature does not match")
    seconds = int(timestamp) / 1000 if int(timestamp) >= _MILLISECONDS else int(timestamp)
    if abs(now - seconds) > TOLERANCE_SECONDS:
        raise BadSignature("the timestamp is out of tolerance")


def _read(header: str) -> tuple[str, str]:
    """`ts` and `v1` of the header; each exactly once."""
    found: dict[str, str] = {}
    if len(header) > _LONGEST_HEADER:
        raise BadSignature("the header is malformed")
    for part in header.split(","):
        name, _, value = part.partition("=")
        key = name.strip().lower()
        if key in found:
            raise BadSignature("the header is malformed")
        found[key] = value.strip()
    timestamp, digest = found.get("ts", ""), found.get("v1", "")
    if not _TIMESTAMP.fullmatch(timestamp) or not _DIGEST.fullmatch(digest):
        raise BadSignature("the header is missing or malformed")
    return timestamp, digest
