"""Exchange rates on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.http.body import Input

RateType = Literal["manual", "blue", "official"]
LABELS: dict[str, str] = {"manual": "Manual", "blue": "Dólar Blue", "official": "Dólar Oficial"}
RateValue = Annotated[Decimal, Meta(extra={"digits": 10, "places": 2, "min": Decimal("0.01")})]


class DollarRate(msgspec.Struct):
    """Pesos for a dollar. `update_date` is when a person set it or a source last confirmed it."""

    id: int
    value: Decimal
    rate_type: RateType
    rate_type_display: str
    auto_update: bool
    is_active: bool
    update_date: dt.datetime
    updated_by: int | None
    updated_by_name: str | None
    created_at: dt.datetime
    updated_at: dt.datetime


class UpdatedRate(msgspec.Struct):
    """What an update has brought."""

    rate: DollarRate
    success: Literal[True] = True


class DollarRateInput(Input):
    """An active rate switches off the older ones of its type."""

    value: RateValue
    rate_type: RateType = "manual"
    auto_update: bool = False
    is_active: bool = True
