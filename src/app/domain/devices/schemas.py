"""Devices and notification settings on the wire."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.devices.models import TOKEN_LENGTH
from app.domain.devices.rules import INFO_BYTES, Platform, is_hour
from app.errors import Invalid
from app.http.body import Input
from app.http.fields import FieldError, convert_json

BAD_HOUR = "Time has wrong format. Use HH:MM, from 00:00 to 23:59."
TokenText = Annotated[str, Meta(min_length=1, max_length=TOKEN_LENGTH)]


class Hour(str):
    """A time of day, HH:MM."""

    __slots__ = ()
    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
        "examples": ["08:00"],
    }

    @classmethod
    def parse(cls, value: Any) -> "Hour":
        """Raises FieldError."""
        if not isinstance(value, str) or not is_hour(value.strip()):
            raise FieldError(BAD_HOUR)
        return cls(value.strip())


class DeviceInfo:
    """What the application tells about its device: any JSON of at most 4096 bytes."""

    openapi: ClassVar[Mapping[str, Any]] = {"description": "Any JSON of at most 4096 bytes."}

    @classmethod
    def parse(cls, value: Any) -> Any:
        """Raises FieldError."""
        info = convert_json(value, None)
        if len(msgspec.json.encode(info)) > INFO_BYTES:
            raise FieldError(f"Ensure this field has no more than {INFO_BYTES} bytes of JSON.")
        return info


class RegisterInput(Input):
    """A device's token, as the push service gave it to the application."""

    token: TokenText
    platform: Platform
    device_info: DeviceInfo | UnsetType | None = UNSET

    @classmethod
    def refused(cls, errors: dict[str, Any]) -> Invalid:
        """What is wrong, in one line under `error`."""
        name, messages = next(iter(errors.items()))
        return Invalid({"error": f"{name}: {messages[0] if isinstance(messages, list) else messages}"})


class TokenInput(Input):
    token: TokenText


class ToggleInput(Input):
    enabled: bool


class SettingsInput(Input):
    """What is absent stays as it is."""

    new_order_notifications: bool | UnsetType = UNSET
    order_status_notifications: bool | UnsetType = UNSET
    payment_notifications: bool | UnsetType = UNSET
    low_stock_notifications: bool | UnsetType = UNSET
    email_notifications: bool | UnsetType = UNSET
    notification_start_hour: Hour | UnsetType = UNSET
    notification_end_hour: Hour | UnsetType = UNSET
    notification_sound: bool | UnsetType = UNSET


class Registered(msgspec.Struct):
    """`created` is false for a token that was known."""

    message: str
    device_id: int
    created: bool
    success: bool = True


class Done(msgspec.Struct):
    message: str
    success: bool = True


class Toggled(msgspec.Struct):
    enabled: bool
    success: bool = True


class NotificationSettings(msgspec.Struct):
    """What is heard of, and in which hours of the shop's day."""

    new_order_notifications: bool = True
    order_status_notifications: bool = True
    payment_notifications: bool = True
    low_stock_notifications: bool = True
    email_notifications: bool = True
    notification_start_hour: str = "08:00"
    notification_end_hour: str = "22:00"
    notification_sound: bool = True


class SettingsAnswer(msgspec.Struct):
    settings: NotificationSettings
    success: bool = True


class Device(msgspec.Struct):
    """A registered device; an inactive one gets no pushes."""

    id: int
    token: str
    platform: Platform
    device_info: Any
    is_active: bool
    created_at: dt.datetime
    last_used: dt.datetime


class Devices(msgspec.Struct):
    devices: list[Device]
    count: int
    success: bool = True
