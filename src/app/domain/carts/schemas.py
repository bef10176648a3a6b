"""Carts on the wire."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.carts.models import EMAIL_LENGTH, LABEL_LENGTH, NAME_LENGTH, PHONE_LENGTH
from app.domain.carts.rules import Status, anonymous_id_of
from app.domain.catalog.rules.pictures import is_address
from app.domain.marketing.schemas.coupon_details import CouponDetails
from app.http.body import Input
from app.http.fields import BAD_UUID, FieldError, Id, Quantity, refuse_unstorable

MAX_LINES = 100
MAX_CHOICES = 20
MAX_CHOICE_LENGTH = 100
Updated = Literal["Carrito temporal actualizado"]
Period = Literal["week", "month", "quarter", "year"]


class AnonymousId(UUID):
    """A random UUID: one that carries a time or a name could be guessed, and whoever knows it has the cart."""

    openapi: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "uuid"}

    @classmethod
    def parse(cls, value: Any) -> UUID:
        """Raises FieldError for anything but a UUID of version 4."""
        found = anonymous_id_of(value) if isinstance(value, str) else None
        if found is None:
            raise FieldError(BAD_UUID)
        return found


class Choices(dict[str, str]):
    """The options that were chosen: `{"Color": "Rojo"}`."""

    openapi: ClassVar[Mapping[str, Any]] = {"type": "object", "additionalProperties": {"type": "string"}}

    @classmethod
    def parse(cls, value: Any) -> dict[str, str]:
        """Raises FieldError for what is no map of short texts."""
        if not isinstance(value, dict) or len(value) > MAX_CHOICES:
            raise FieldError("Expected a map of variants to options.")
        for text in (*value, *value.values()):
            if not isinstance(text, str) or len(text) > MAX_CHOICE_LENGTH:
                raise FieldError("Expected a map of variants to options.")
            refuse_unstorable(text)
        return value


class CartItemInput(Input):
    """A line. What the client takes for its price is not looked at."""

    product_id: Id
    quantity: Quantity
    price: Any = None
    variants: Choices | None = None
    variants_label: Annotated[str, Meta(max_length=LABEL_LENGTH)] | None = None


class CartCustomerInfo(Input):
    """Who the visitor says to be; what is left out stays as it was."""

    name: Annotated[str, Meta(max_length=NAME_LENGTH)] | UnsetType = UNSET
    email: Annotated[str, Meta(max_length=EMAIL_LENGTH, extra={"email": True})] | UnsetType = UNSET
    phone: Annotated[str, Meta(max_length=PHONE_LENGTH)] | UnsetType = UNSET


class CartInput(Input):
    """The whole cart of a visitor: its lines replace those that it had."""

    anonymous_id: AnonymousId
    items: Annotated[list[CartItemInput], Meta(max_length=MAX_LINES)]
    customer_info: CartCustomerInfo | None = None


class UpsertAnswer(msgspec.Struct):
    anonymous_id: UUID
    cart_id: int
    success: Literal[True] = True
    message: Updated = "Carrito temporal actualizado"
    status: Literal["success"] = "success"


class GeneratedId(msgspec.Struct):
    anonymous_id: UUID
    success: Literal[True] = True
    status: Literal["success"] = "success"


class LineProduct(msgspec.Struct):
    """A line's product as it is today; a deleted one keeps its name."""

    id: int
    name: str
    image: str | None
    volume: str
    dimensions: str
    currency: str
    has_special_promotion: bool
    special_promotion_name: str | None


def product_of(row: Any, media_url: str) -> LineProduct | None:
    """The product of a line's row. `media_url` leads the names of stored pictures; a provider's address stays."""
    if row.product_id is None:
        return None
    image = row.image
    return LineProduct(
        id=row.product_id,
        name=row.name,
        image=image if image is None or is_address(image) else f"{media_url}{image}",
        volume=row.volume,
        dimensions=row.dimensions,
        currency=row.currency,
        has_special_promotion=row.has_special_promotion,
        special_promotion_name=row.special_promotion_name or None,
    )


class CartItem(msgspec.Struct):
    """A line. `price_at_time` is what a unit costs now while the cart is open, later what it cost when written."""

    id: int
    product_id: int | None
    product_details: LineProduct | None
    quantity: int
    price_at_time: Decimal
    variants: dict[str, Any] | None
    variants_label: str


class AbandonedCart(msgspec.Struct):
    """A cart; `status` follows the clock."""

    id: int
    user: int | None
    anonymous_id: UUID | None
    status: Status
    customer_name: str
    customer_email: str
    customer_phone: str
    subtotal: Decimal
    discount: Decimal
    total: Decimal
    created_at: dt.datetime
    last_activity: dt.datetime
    abandoned_at: dt.datetime | None
    recovered_at: dt.datetime | None
    products: list[CartItem]
    coupon_details: CouponDetails | None
    customer: str
    items_count: int
    time_abandoned: str


class PublicCart(msgspec.Struct):
    cart: AbandonedCart
    success: Literal[True] = True
    status: Literal["success"] = "success"


class MostAbandonedProduct(msgspec.Struct):
    """`count` is the number of abandoned carts in which the product lies."""

    product_id: int
    name: str
    count: int


class AbandonedCartStatistics(msgspec.Struct):
    """Carts that began in the period, by what they are now. Rates are percentages of two places."""

    total_count: int
    recovered_count: int
    converted_count: int
    abandoned_count: int
    active_count: int
    average_value: Decimal
    abandonment_rate: float
    recovery_rate: float
    average_time_to_recovery: str
    most_abandoned_products: list[MostAbandonedProduct]
    period: Period


class Identified(msgspec.Struct):
    identified_count: int
    message: str
    success: Literal[True] = True


class Recovered(msgspec.Struct):
    message: str
    cart: AbandonedCart
    success: Literal[True] = True
