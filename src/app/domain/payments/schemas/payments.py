"""What payments look like on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from app.domain.payments.rules import State
from app.http.body import Input
from app.http.fields import Id

_Line = Annotated[str, Meta(max_length=200)]


class OrderInput(Input):
    """The order that is meant."""

    order_id: Id


class RefundInput(Input):
    """`amount` is a part of what was paid; without it, all that is left."""

    order_id: Id
    amount: Annotated[Decimal, Meta(extra={"digits": 14, "places": 2, "min": Decimal("0.01")})] | None = None


class NotificationInput(Input):
    """What the provider sends; which payment it is about is taken from the signed address alone."""

    type: _Line = ""
    event: _Line = field(default="", name="action")
    data: Any = None
    date_created: _Line = ""


class Started(Struct):
    """`init_point` is the page where the buyer pays; `payment_id` is our payment."""

    init_point: str
    payment_id: int


class PaymentState(Struct):
    """The payment of an order. `flags` are words out of underpaid, overpaid, disputed, late."""

    order_id: int
    status: State
    amount: Decimal
    refunded_amount: Decimal
    flags: list[str]
    created_at: dt.datetime


class PaymentCheck(Struct):
    """The same after the provider was asked; `updated` says whether that changed anything."""

    order_id: int
    status: State
    amount: Decimal
    refunded_amount: Decimal
    flags: list[str]
    created_at: dt.datetime
    order_status: str
    updated: bool


class Refunded(Struct):
    """`amount` is this refund's, `refunded_amount` that of all; approved while something remains."""

    message: str
    order_id: int
    status: State
    amount: Decimal
    refunded_amount: Decimal


class Taken(Struct):
    status: str = "ok"
