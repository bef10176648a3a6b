"""What requests about orders may say. Status, sums, user and prices are the server's: they are not read."""

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from app.domain.orders.states import STATUSES, PaymentMethod, Status
from app.errors import Invalid
from app.http.body import Input
from app.http.fields import BLANK, NULL, REQUIRED, Count, Email, FieldError, Id, Money, Quantity, convert_text

MAX_LINES = 100
MAX_VARIANTS = 20
BAD_VARIANTS = "Expected a map from variants to options."
OPTION = Meta(min_length=1, max_length=200)
Recipient = Annotated[str, Meta(min_length=1, max_length=100)]
Place = Annotated[str, Meta(max_length=200)]
PlaceName = Annotated[str, Meta(max_length=100)]
Short = Annotated[str, Meta(max_length=20)]
PostalCode = Annotated[str, Meta(max_length=10)]
DeliveryType = Literal["delivery", "pickup"]


class OrderUpdateInput(Input):
    """Who gets it, where, and how to be reached."""

    recipient_name: Recipient
    customer_email: Email
    customer_dni_cuit: Short = ""
    shipping_address: Place = ""
    shipping_street: Place = ""
    shipping_number: Short = ""
    shipping_neighborhood: PlaceName = ""
    shipping_city: PlaceName = ""
    shipping_postal_code: PostalCode = ""
    customer_phone: Short = ""
    delivery_type: DeliveryType = "delivery"


class Variants(dict[str, str]):
    """The chosen option of each variant: `{"Color": "Rojo"}`."""

    @classmethod
    def parse(cls, value: Any) -> "Variants":
        """Raises FieldError for anything but a map from short texts to short texts."""
        if not isinstance(value, dict) or len(value) > MAX_VARIANTS:
            raise FieldError(BAD_VARIANTS)
        return cls({convert_text(name, OPTION): convert_text(option, OPTION) for name, option in value.items()})


class OrderLineInput(Input):
    """A wanted line. `price` is what the client believes a unit to cost; the server's is charged."""

    product_id: Id
    quantity: Quantity
    price: Money | None = None
    variants: Variants | None = None
    variants_label: Annotated[str, Meta(max_length=200)] = ""


class OrderInput(OrderUpdateInput, kw_only=True):
    """A new order. Its sums are computed here; `anonymous_id` names the cart that becomes it."""

    products_data: Annotated[list[OrderLineInput], Meta(min_length=1, max_length=MAX_LINES)]
    payment_method: PaymentMethod = "cash"
    coupon_code: Annotated[str, Meta(max_length=50)] | None = None
    # Anything may be sent: what is no cart's id is ignored.
    anonymous_id: Any | None = None


class StatusInput(Input):
    """What an order is to become."""

    action: ClassVar[bool] = True

    status: Status

    @classmethod
    def refused(cls, errors: dict[str, Any]) -> Invalid:
        return _unknown_status(errors)


class UnarchiveInput(Input):
    """Without a status the order goes back to where it came from."""

    action: ClassVar[bool] = True

    status: Status | None = None

    @classmethod
    def refused(cls, errors: dict[str, Any]) -> Invalid:
        return _unknown_status(errors)


def _unknown_status(errors: dict[str, Any]) -> Invalid:
    """An unknown status is a business error of the shop; a missing one is a field's."""
    if errors.get("status") in ([REQUIRED], [NULL], [BLANK]):
        return Invalid(errors)
    known = ", ".join(STATUSES)
    return Invalid({"error": f"El estado no existe; los estados son: {known}", "code": "unknown_status"})


class OrderItemPatch(Input):
    """A line of the order and its new quantity; 0 removes it."""

    action: ClassVar[bool] = True

    id: Id
    quantity: Count


class ItemsInput(Input):
    """Lines that change; the others stay."""

    action: ClassVar[bool] = True

    items: Annotated[list[OrderItemPatch], Meta(min_length=1, max_length=MAX_LINES)]


class OrderFilters(msgspec.Struct, frozen=True):
    """Which orders of those that the caller may see; None does not filter."""

    status: str | None = None
    search: str | None = None
    customer_id: int | None = None
    store_id: int | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    exclude_temporary: bool = True
