"""Visitors on the wire."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.domain.visitors.models import CITY_LENGTH, COUNTRY_LENGTH, REFERRER_LENGTH
from app.http.body import Input


class Visitor(msgspec.Struct):
    """An address that came by, with what it said about itself last."""

    id: int
    ip_address: str
    user_agent: str
    first_visit: dt.datetime
    last_visit: dt.datetime
    visit_count: int
    is_active: bool
    country: str
    city: str
    referrer: str


class VisitInput(Input):
    """Where a visitor comes from, as the shop's page knows it; address and user agent are the request's."""

    referrer: Annotated[str, Meta(max_length=REFERRER_LENGTH)] = ""
    country: Annotated[str, Meta(max_length=COUNTRY_LENGTH)] = ""
    city: Annotated[str, Meta(max_length=CITY_LENGTH)] = ""


class Visited(msgspec.Struct):
    is_new: bool
    visit_count: int
    success: Literal[True] = True


class VisitorFilters(msgspec.Struct, frozen=True):
    """None is no filter; `address` is of the whole address, the instants are of the last visit."""

    address: str | None
    is_active: bool | None
    since: dt.datetime | None
    until: dt.datetime | None
    country: str | None
    city: str | None


class VisitorStats(msgspec.Struct):
    """Visitors by their last visit, new ones by their first; days are the shop's."""

    total_visitors: int
    visitors_today: int
    visitors_yesterday: int
    visitors_last_week: int
    visitors_last_month: int
    new_visitors_today: int
    new_visitors_yesterday: int
    new_visitors_in_period: int
