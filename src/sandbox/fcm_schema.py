"""The fields of FCM's SendMessageRequest, and what Google's JSON reader says about a body that does not fit them."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

_FCM = "type.googleapis.com/google.firebase.fcm.v1"
_PROTOBUF = "type.googleapis.com/google.protobuf"


class Kind(msgspec.Struct, frozen=True):
    """A field's type: the name in messages, and the Python types that JSON may bring; `fields` for a message."""

    name: str
    takes: tuple[type, ...] = ()
    fields: dict[str, "Kind"] | None = None
    many: bool = False


STRING = Kind("TYPE_STRING", (str,))
BOOL = Kind("TYPE_BOOL", (bool,))
INT32 = Kind("TYPE_INT32", (int, str))
DURATION = Kind(f"{_PROTOBUF}.Duration", (str,))
TIMESTAMP = Kind(f"{_PROTOBUF}.Timestamp", (str,))
ANYTHING = Kind(f"{_PROTOBUF}.Struct", (dict,))
STRINGS = Kind("TYPE_STRING", (str,), many=True)
# A map's entries; `data` and the headers.
ENTRIES = Kind("entries", (dict,))


def _enum(name: str) -> Kind:
    return Kind(f"{_FCM}.{name}", (str, int))


def _message(name: str, /, **fields: Kind) -> Kind:
    return Kind(f"{_FCM}.{name}", (dict,), fields)


def _texts(names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), STRING)


_ANDROID_NOTIFICATION = _message(
    "AndroidNotification",
    **_texts("title body icon color sound tag click_action body_loc_key title_loc_key channel_id ticker image"),
    body_loc_args=STRINGS,
    title_loc_args=STRINGS,
    sticky=BOOL,
    event_time=TIMESTAMP,
    local_only=BOOL,
    notification_priority=_enum("AndroidNotification.NotificationPriority"),
    default_sound=BOOL,
    default_vibrate_timings=BOOL,
    default_light_settings=BOOL,
    vibrate_timings=Kind(f"{_PROTOBUF}.Duration", (str,), many=True),
    visibility=_enum("AndroidNotification.Visibility"),
    notification_count=INT32,
    light_settings=Kind(f"{_FCM}.AndroidNotification.LightSettings", (dict,)),
    bypass_proxy_notification=BOOL,
    proxy=_enum("AndroidNotification.Proxy"),
)
_ANDROID = _message(
    "AndroidConfig",
    **_texts("collapse_key restricted_package_name"),
    priority=_enum("AndroidMessagePriority"),
    ttl=DURATION,
    data=ENTRIES,
    notification=_ANDROID_NOTIFICATION,
    fcm_options=_message("AndroidFcmOptions", analytics_label=STRING),
    direct_boot_ok=BOOL,
    bandwidth_constrained_ok=BOOL,
    restricted_satellite_ok=BOOL,
)
_APNS = _message(
    "ApnsConfig",
    headers=ENTRIES,
    payload=ANYTHING,
    fcm_options=_message("ApnsFcmOptions", **_texts("analytics_label image")),
    live_activity_token=STRING,
)
_WEBPUSH = _message(
    "WebpushConfig",
    headers=ENTRIES,
    data=ENTRIES,
    notification=ANYTHING,
    fcm_options=_message("WebpushFcmOptions", **_texts("link analytics_label")),
)
REQUEST = _message(
    "SendMessageRequest",
    validate_only=BOOL,
    message=_message(
        "Message",
        **_texts("name token fid topic condition"),
        notification=_message("Notification", **_texts("title body image")),
        data=ENTRIES,
        android=_ANDROID,
        apns=_APNS,
        webpush=_WEBPUSH,
        fcm_options=_message("FcmOptions", analytics_label=STRING),
    ),
)
Violation = tuple[str, str]


def read(content: Any) -> tuple[dict[str, Any], list[Violation]]:
    """The request with every field under its own name, snake_case, and what is wrong with it: (field, description)."""
    violations: list[Violation] = []
    if not isinstance(content, dict):
        return {}, [("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')]
    return _read_message(content, REQUEST.fields or {}, "", violations), violations


def _read_message(
    content: dict[str, Any], fields: dict[str, Kind], place: str, violations: list[Violation]
) -> dict[str, Any]:
    found = {}
    for given, value in content.items():
        name = _snake(given)
        if name not in fields:
            where = f" at '{place}'" if place else ""
            text = f'Invalid JSON payload received. Unknown name "{given}"{where}: Cannot find field.'
            violations.append((place, text))
        elif value is not None:
            found[name] = _read_value(value, fields[name], f"{place}.{name}" if place else name, violations)
    return found


def _snake(name: str) -> str:
    return name if name.islower() else re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)


def _read_value(value: Any, kind: Kind, place: str, violations: list[Violation]) -> Any:
    if kind is ENTRIES and isinstance(value, dict):
        violations += _entry_violations(value, place)
    elif kind.fields is not None and isinstance(value, dict):
        return _read_message(value, kind.fields, place, violations)
    elif kind.many and isinstance(value, list):
        violations += [
            _mismatch(f"{place}[{index}]", kind, each)
            for index, each in enumerate(value)
            if type(each) not in kind.takes
        ]
    elif kind.many or type(value) not in kind.takes:
        violations.append(_mismatch(place, kind, value))
    return value


def _entry_violations(entries: dict[str, Any], place: str) -> Iterator[Violation]:
    """A map of texts: a number is as wrong as an object."""
    for index, value in enumerate(entries.values()):
        if not isinstance(value, str):
            yield _mismatch(f"{place}[{index}].value", STRING, value)


def _mismatch(place: str, kind: Kind, value: Any) -> Violation:
    shown = msgspec.json.encode(value).decode()
    return place, f"Invalid value at '{place}' ({kind.name}), {shown}"
