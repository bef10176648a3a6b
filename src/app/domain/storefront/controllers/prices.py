"""Routes that say what a purchase costs: quotes, coupons' validation, promotions of a product."""

import datetime as dt

from litestar import Controller, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.pricing.rules.quotes import CouponOutcome
from app.domain.storefront.schemas.quotes import (
    CouponAnswer,
    CouponCheck,
    ProductCheck,
    ProductPromotions,
    QuoteAnswer,
    QuoteCoupon,
    QuoteInput,
    QuoteLine,
)
from app.domain.storefront.service.coupon_check import CouponChecker
from app.domain.storefront.service.picking import WantedLine
from app.domain.storefront.service.product_promotions import PromotionChecker
from app.domain.storefront.service.quotes import Quote, QuoteService
from app.errors import Forbidden, Invalid, NotAuthenticated
from app.http.decoding import ApiRequest
from app.http.fields import FieldError, convert_datetime
from app.http.guards import anyone, signed_in
from app.http.openapi.hints import ERRORS, QUERY
from app.http.principal import Principal
from app.http.query import text_of

Session = NamedDependency[AsyncSession]
User = NamedDependency[Principal]
Caller = NamedDependency[Principal | None]


class PriceController(Controller):
    """Reads alone: nothing is stored."""

    tags = ("prices",)

    @post(
        "/api/cart/quote/",
        guards=[anyone],
        operation_id="cart_quote",
        status_code=200,
        opt={QUERY: {"at": str}, ERRORS: (400, 403)},
    )
    async def quote(
        self, request: ApiRequest, session: Session, state: State, caller: Caller, data: QuoteInput
    ) -> QuoteAnswer:
        """What it costs and why; `?at=` asks for another instant, staff alone may."""
        wanted = [WantedLine(line.product_id, line.quantity, line.variants) for line in data.products]
        quote = await QuoteService(session, state.settings).quote(
            wanted,
            coupon_code=data.coupon_code,
            user_id=caller.id if caller else None,
            delivery_type=data.delivery_type,
            at=_instant(request, caller),
        )
        return _answer(quote)

    @post(
        "/api/marketing/coupons/validate/",
        guards=[signed_in],
        operation_id="coupons_validate",
        status_code=200,
        opt={ERRORS: (400,)},
    )
    async def validate(self, session: Session, state: State, user: User, data: CouponCheck) -> CouponAnswer:
        """Whether a coupon is good for a purchase; takes no use."""
        return await CouponChecker(session, state.settings).check(data, user.id)

    @post(
        "/api/marketing/bulk-promotions/check_product/",
        guards=[anyone],
        operation_id="bulk_promotions_check_product",
        status_code=200,
        opt={ERRORS: (400, 404)},
    )
    async def check_product(self, session: Session, state: State, data: ProductCheck) -> ProductPromotions:
        """The promotions of a product, the one that counts first."""
        return await PromotionChecker(session, state.settings).check(data)


def _instant(request: ApiRequest, caller: Principal | None) -> dt.datetime | None:
    """The instant that staff ask about. Raises NotAuthenticated, Forbidden, Invalid."""
    text = text_of(request, "at")
    if text is None:
        return None
    if caller is None:
        raise NotAuthenticated
    if not caller.is_admin:
        raise Forbidden
    try:
        # A plus sign that was not escaped is a space by now.
        return convert_datetime(text.replace(" ", "+") if "T" in text.upper() else text, None)
    except FieldError as error:
        raise Invalid({"at": error.messages}) from error


def _answer(quote: Quote) -> QuoteAnswer:
    refusal = quote.coupon.refusal if quote.coupon else None
    lines = [QuoteLine(**{name: getattr(line, name) for name in QuoteLine.__struct_fields__}) for line in quote.lines]
    return QuoteAnswer(
        lines=lines,
        subtotal=quote.subtotal,
        bulk_promotion_discount=quote.bulk_promotion_discount,
        discount=quote.discount,
        total=quote.total,
        coupon=None if quote.coupon is None else _coupon(quote.coupon),
        messages=[refusal.message] if refusal else [],
        valid_until=quote.valid_until,
        server_time=quote.server_time,
    )


def _coupon(outcome: CouponOutcome) -> QuoteCoupon:
    refusal = outcome.refusal
    return QuoteCoupon(outcome.code, refusal is None, outcome.discount, None if refusal is None else refusal.code)
