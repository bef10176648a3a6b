"""Distribution centres on the wire."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from app.http.body import Input
from app.http.fields import Name


class DistributionCenter(msgspec.Struct):
    """A place from which the shop sends."""

    id: int
    name: str
    address: str
    phone: str
    is_active: bool
    created_by: int | None
    created_by_name: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class DistributionCenterInput(Input):
    name: Name
    address: Annotated[str, Meta(min_length=1, max_length=2000)]
    phone: Annotated[str, Meta(max_length=50)] = ""
    is_active: bool = True
