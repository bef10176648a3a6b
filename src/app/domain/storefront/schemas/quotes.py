"""Quotes, and what coupons and promotions do to a purchase, on the wire."""

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.domain.marketing.schemas.bulk import BulkPromotion
from app.domain.marketing.schemas.coupons import Coupon
from app.errors import Invalid
from app.http.body import Input
from app.http.fields import FieldError, Id, Quantity, convert_text

MOST_LINES = 500
MOST_VARIANTS = 20
BAD_VARIANTS = "Expected a map from variants to options."
OPTION = Meta(min_length=1, max_length=200)


class Choice(dict[str, str]):
    """The chosen option of each variant: `{"Color": "Rojo"}`."""

    @classmethod
    def parse(cls, value: Any) -> "Choice":
        """Raises FieldError for anything but a map from short texts to short texts."""
        if not isinstance(value, dict) or len(value) > MOST_VARIANTS:
            raise FieldError(BAD_VARIANTS)
        return cls({convert_text(name, OPTION): convert_text(option, OPTION) for name, option in value.items()})


class QuoteLineInput(Input):
    """So many units of a product."""

    product_id: Id
    quantity: Quantity
    variants: Choice | None = None


class QuoteInput(Input):
    """What is to be bought, and how."""

    products: Annotated[list[QuoteLineInput], Meta(min_length=1, max_length=MOST_LINES)]
    coupon_code: Annotated[str, Meta(max_length=50)] | None = None
    delivery_type: Literal["delivery", "pickup"] | None = None


class QuoteLine(msgspec.Struct):
    """A line and everything that its price is made of; `final` is what is paid for all its units."""

    product_id: int
    name: str
    quantity: int
    variants: dict[str, str] | None
    variants_label: str
    base_price: Decimal
    price_adjustment: Decimal
    discount_percent: Decimal
    discount_source: Literal["product_discount", "offer", "scheduled_discount"] | None
    unit_price: Decimal
    line_total: Decimal
    bulk_discount: Decimal
    coupon_share: Decimal
    final: Decimal
    reasons: list[str]


class QuoteCoupon(msgspec.Struct):
    """What became of the coupon; `reason` is the code of its refusal."""

    code: str
    valid: bool
    discount: Decimal
    reason: str | None


class QuoteAnswer(msgspec.Struct):
    """What it costs and why. `valid_until` is when the clock alone changes a price next, null when it will not."""

    lines: list[QuoteLine]
    subtotal: Decimal
    bulk_promotion_discount: Decimal
    discount: Decimal
    total: Decimal
    coupon: QuoteCoupon | None
    messages: list[str]
    valid_until: dt.datetime | None
    server_time: dt.datetime


class CouponLine(Input):
    """So many units of a product, whatever their options."""

    product_id: Id
    quantity: Quantity


def _said(errors: dict[str, Any]) -> str:
    return f"Revisá estos datos: {', '.join(errors)}"


class CouponCheck(Input):
    """Whether a code is good for a purchase; `purchase_amount` is what the whole of it costs."""

    code: Annotated[str, Meta(min_length=1, max_length=50)]
    purchase_amount: Annotated[Decimal, Meta(extra={"digits": 22, "places": 2, "min": Decimal(0)})]
    products: Annotated[list[CouponLine], Meta(max_length=MOST_LINES)] | None = None

    @classmethod
    def refused(cls, errors: dict[str, Any]) -> Invalid:
        return Invalid({"valid": False, "error": _said(errors)} | errors)


class EligibleProduct(msgspec.Struct):
    """A line that the coupon is good for, at the server's price."""

    product_id: int
    name: str
    quantity: int
    price: Decimal
    subtotal: Decimal


class CouponAnswer(msgspec.Struct):
    """A coupon that is good, and what it takes off; the amounts are numbers."""

    coupon: Coupon
    calculated_discount: float
    eligible_products: list[EligibleProduct]
    discount_base: float
    valid: Literal[True] = True


class ProductCheck(Input):
    """So many units of a product."""

    product_id: Id
    quantity: Quantity

    @classmethod
    def refused(cls, errors: dict[str, Any]) -> Invalid:
        return Invalid({"error": _said(errors)} | errors)


class DiscountInfo(msgspec.Struct):
    """What a promotion does to a line, in the product's currency; numbers."""

    discount_amount: float
    free_items: int
    total_before: float
    total_after: float


class ApplicablePromotion(msgspec.Struct):
    """A promotion that is on for the product; it can apply once the quantity reaches it."""

    promotion: BulkPromotion
    discount_info: DiscountInfo
    can_apply: bool


class ProductPromotions(msgspec.Struct):
    """The promotions of a product, the one that counts first."""

    product_id: int
    product_name: str
    quantity: int
    applicable_promotions: list[ApplicablePromotion]
