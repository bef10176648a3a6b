"""The site's configuration and its maintenance on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.http.body import Input
from app.http.fields import Money, Password

Message = Annotated[str, Meta(max_length=2000)]
# Empty text takes the password away.
NewPassword = Annotated[str, Meta(max_length=1024, extra={"trim": False}, extra_json_schema={"format": "password"})]


class SiteConfig(msgspec.Struct):
    """The bypass password is never shown."""

    id: int
    min_purchase_amount: Decimal
    maintenance_mode: bool
    maintenance_message: str
    created_at: dt.datetime
    updated_at: dt.datetime


class SiteConfigInput(Input):
    """What is not sent stays."""

    min_purchase_amount: Money | UnsetType = UNSET
    maintenance_mode: bool | UnsetType = UNSET
    maintenance_message: Message | UnsetType = UNSET
    bypass_password: NewPassword | UnsetType = UNSET


class MaintenanceState(msgspec.Struct):
    maintenance_mode: bool
    maintenance_message: str


class ToggleInput(Input):
    """Without `maintenance_mode` the mode flips."""

    maintenance_mode: bool | UnsetType = UNSET
    maintenance_message: Message | UnsetType = UNSET


class Toggled(msgspec.Struct):
    message: str
    maintenance_mode: bool
    maintenance_message: str


class BypassInput(Input):
    password: Password


class Bypass(msgspec.Struct):
    """The token goes into `X-Maintenance-Bypass`."""

    token: str
    expires_at: dt.datetime
    valid: Literal[True] = True


class NoBypass(msgspec.Struct):
    error: str
    valid: Literal[False] = False
