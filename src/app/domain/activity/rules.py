"""What a log may say: which objects it knows, which values it never shows. Pure."""

import ipaddress
import math
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from app.errors import Invalid

# The numbers are shown to clients, which may keep them: one that was given stays.
CONTENT_TYPES = {
    "user": 1,
    "category": 2,
    "store": 3,
    "storeproduct": 4,
    "flashpromo": 5,
    "review": 6,
    "coupon": 7,
    "offer": 8,
    "bulkpromotion": 9,
    "product": 10,
    "order": 11,
    "scheduleddiscount": 12,
    "payment": 13,
    "siteconfig": 14,
    "dollarrate": 15,
    "distributioncenter": 16,
    "abandonedcart": 17,
    "device": 18,
    "notificationsettings": 19,
    "sheet": 20,
    "webhook": 21,
}
MASK = "***"
LONGEST_TEXT = 2000
_PRIVATE_WORDS = {
    "password", "password1", "password2", "passwd", "pwd", "passphrase", "secret", "token", "tokens", "hash", "key",
    "keys", "signature", "credential", "credentials", "authorization", "cookie", "jwt", "jti", "refresh", "access",
    "otp", "pin", "code", "codes",
}  # fmt: skip
# Words that look private and are not: a postal code, the code that a coupon is made of to be told to everybody.
_PUBLIC_NAMES = {"postal_code", "shipping_postal_code", "coupon_code"}
_PUBLIC_OF = {"coupon": {"code"}}
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
# A password's hash, a key in PEM, a signed token: whatever the field is called. A token's run of characters is looked
# through once, from its head, not anew from each "eyJ" in it; what stands before the token there stays.
_SECRET_VALUE = re.compile(
    r"\$(?:argon2|pbkdf2|2[aby]\$)[^\s\"]*|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
    r"|(?<![\w-])((?:(?!eyJ)[\w-])*+)eyJ[\w-]{8,}+\.[\w-]++\.[\w-]*+",
    re.ASCII,
)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """`{field: [old, new]}` of the fields that differ; a field that one side lacks is null there."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: [old, new] for name, (old, new) in pairs.items() if old != new and plain(old) != plain(new)}


def plain(value: Any) -> Any:
    """A value as JSON has it: decimals, instants and whatever has no form of its own as text."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=str)


def scrubbed(changes: Mapping[str, Any], content_type: str) -> dict[str, Any]:
    """The changes as they may be stored: JSON, private fields masked however deep they are, long texts cut."""
    public = _PUBLIC_NAMES | _PUBLIC_OF.get(content_type, set())
    cleaned: dict[str, Any] = _cleaned(plain(dict(changes)), public)
    return cleaned


def safe_text(text: str) -> str:
    """A text without what looks like a secret, and not without end."""
    text = _SECRET_VALUE.sub(rf"\1{MASK}", text.replace("\0", ""))
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def address_of(text: str | None) -> str | None:
    """The address if it is one."""
    try:
        return str(ipaddress.ip_address(text)) if text else None
    except ValueError:
        return None


def object_id_of(text: str | None) -> str | None:
    """The id of the `object_id` filter: a number as it is stored, or a UUID. Raises Invalid for anything else."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        return text.lstrip("0") or "0"
    try:
        return str(UUID(text))
    except ValueError:
        raise Invalid.field("object_id", "Enter a number.") from None


def is_private(name: str, public: set[str]) -> bool:
    words = {word.lower() for word in _WORDS.findall(name)}
    return name not in public and bool(words & _PRIVATE_WORDS)


def _cleaned(value: Any, public: set[str]) -> Any:
    match value:
        case dict():
            return {
                safe_text(name): _masked(inner) if is_private(name, public) else _cleaned(inner, public)
                for name, inner in value.items()
            }
        case list():
            return [_cleaned(inner, public) for inner in value]
        case str():
            return safe_text(value)
        case float() if not math.isfinite(value):
            return None
    return value


def _masked(value: Any) -> Any:
    """That there was something, or nothing, is no secret: `[null, "***"]` is a password that was set."""
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return None if value is None or value == "" else MASK
