"""Promotions and holds on the wire."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from app.domain.orders.states import PaymentMethod
from app.domain.promos.rules import HoldStatus, Segment, Status, bad_hold
from app.errors import Invalid
from app.http.body import Input
from app.http.fields import Id, Money, Percent, Quantity

Segments = Annotated[list[Segment], Meta(min_length=1, max_length=10)]


class PromoWrite(Input):
    """A promotion to create or change; either `promo_price` or `discount_percent`, neither means the store's price."""

    store_product: Id
    starts_at: datetime
    ends_at: datetime
    promo_price: Money | None = None
    discount_percent: Percent | None = None
    max_units: Quantity | None = None
    per_user_limit: Quantity = 1
    segments: Segments = msgspec.field(default_factory=lambda: ["new", "frequent"])
    radius_m: Quantity = 2000


class Promo(msgspec.Struct):
    """A promotion; `status` follows the clock."""

    id: int
    store_product: int
    starts_at: datetime
    ends_at: datetime
    status: Status
    promo_price: Decimal | None
    discount_percent: Decimal | None
    max_units: int | None
    per_user_limit: int
    segments: list[str]
    radius_m: int
    created_at: datetime


class ActivePromo(msgspec.Struct):
    """A promotion as its audience sees it; `units_left` is what this caller could still hold."""

    id: int
    store_product: int
    product_name: str
    store: int
    store_name: str
    distance_m: float
    stock: int
    base_price: Decimal
    promo_price: Decimal
    units_left: int
    starts_at: datetime
    ends_at: datetime
    server_time: datetime
    status: Status = "active"


class CartInput(Input):
    """What the cart's operations take; what is wrong with it is said by field and, as first message, in `detail`."""

    action = True

    @classmethod
    def refused(cls, errors: dict[str, Any]) -> Invalid:
        return bad_hold(errors)


class ReserveInput(CartInput):
    """What to hold. `promo` is accepted for `promo_id`."""

    promo_id: Id
    quantity: Quantity = 1

    @classmethod
    def accept(cls, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**raw, "promo_id": raw["promo"]} if "promo" in raw and "promo_id" not in raw else raw


class CheckoutInput(CartInput):
    token: UUID
    payment_method: PaymentMethod = "cash"


class TokenInput(CartInput):
    token: UUID


class Hold(msgspec.Struct):
    """A reservation as its holder sees it."""

    id: int
    promo: int
    store_product: int
    user: int
    status: HoldStatus
    token: UUID
    quantity: int
    unit_price: Decimal
    expires_at: datetime
    server_time: datetime
    order: int | None = None


class Reservation(msgspec.Struct):
    """A reservation as the promotion's shop sees it: no token, the holder by name."""

    id: int
    user: int
    user_name: str
    quantity: int
    status: HoldStatus
    unit_price: Decimal
    created_at: datetime
    expires_at: datetime
    finished_at: datetime | None
    order: int | None


class Reasons(msgspec.Struct):
    """Why people do not hear of a promotion: everybody counts once.

    The first that holds counts, of: no position, too far, in none of its segments, notifications off, capped for today.
    """

    segment: int
    distance: int
    no_position: int
    capped: int
    notifications_off: int


class Audience(msgspec.Struct):
    """Whom a promotion reaches. `held_back` are eligible and not told yet, because it is not the hour for pushes."""

    promo: int
    eligible: int
    notified_today: int
    held_back: int
    reasons: Reasons
