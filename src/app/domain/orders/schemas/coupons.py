"""A coupon that an order takes, on the wire."""

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from app.domain.marketing.schemas.coupons import CouponUsage
from app.http.body import Input
from app.http.fields import Id

Amount = Annotated[Decimal, Meta(extra={"digits": 22, "places": 2, "min": Decimal(0)})]


class CouponApplyInput(Input):
    """The order that shall bear the coupon. Both amounts are the client's belief: the server's are written."""

    order_id: Id
    purchase_amount: Amount
    discount_amount: Amount


class CouponApplied(msgspec.Struct):
    """The order's use of the coupon, and how many live uses the coupon has."""

    message: str
    used: int
    usage: CouponUsage
