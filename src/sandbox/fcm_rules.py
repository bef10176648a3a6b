"""What FCM asks of a message beyond the types of its fields."""

import re
from collections.abc import Iterator
from typing import Any

TARGETS = ("token", "fid", "topic", "condition")
MAX_BYTES = 4096
MAX_TOPIC_BYTES = 2048
MAX_TTL_SECONDS = 4 * 7 * 86_400
_RESERVED = re.compile(r"from|message_type|google\..*|gcm\.notification\..*", re.DOTALL)
Violation = tuple[str, str]


def violation_of(message: dict[str, Any]) -> Violation | None:
    """The first rule that the message breaks, as (field, description)."""
    return next(_violations(message), None)


def _violations(message: dict[str, Any]) -> Iterator[Violation]:
    targets = [name for name in TARGETS if message.get(name)]
    if not targets:
        yield "message", "Recipient of the message is not set."
    if len(targets) > 1:
        other = targets[1]
        yield (
            "message",
            f"Invalid value at 'message' (oneof), oneof field 'target' is already set. Cannot set '{other}'",
        )
    for index, key in enumerate(message.get("data", {})):
        if _RESERVED.fullmatch(key):
            yield f"message.data[{index}].key", f"Invalid data payload key: {key}"
    if _size(message) > (MAX_TOPIC_BYTES if "topic" in targets else MAX_BYTES):
        yield "message", "Message too big"
    yield from _platform_violations(message)


def _size(message: dict[str, Any]) -> int:
    """The bytes of everything that a device is told."""
    data, shown = message.get("data", {}), message.get("notification", {})
    return sum(len(f"{key}{value}".encode()) for part in (data, shown) for key, value in part.items())


def _platform_violations(message: dict[str, Any]) -> Iterator[Violation]:
    ttl = message.get("android", {}).get("ttl")
    if ttl is not None:
        seconds = re.fullmatch(r"([0-9]{1,12})(\.[0-9]{1,9})?s", ttl)
        if seconds is None:
            yield "message.android.ttl", "Illegal duration format; duration must end with 's'"
        elif int(seconds[1]) > MAX_TTL_SECONDS:
            yield "message.android.ttl", "Time to live is more than four weeks"
    link = message.get("webpush", {}).get("fcm_options", {}).get("link")
    if link is not None and not link.startswith("https://"):
        yield "message.webpush.fcm_options.link", "The link must be an HTTPS URL"
