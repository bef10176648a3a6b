"""Whether a coupon is good for a purchase, and what it would take off."""

from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.service.coupon_desk import coupon_shown
from app.domain.marketing.service.price_rules import RuleService, coupon_of
from app.domain.pricing.rules import coupons, engine
from app.domain.pricing.rules.amounts import in_pesos
from app.domain.pricing.rules.facts import Line
from app.domain.pricing.rules.quotes import CouponRefusal, PricedLine
from app.domain.storefront.rules.choices import Sold
from app.domain.storefront.schemas.quotes import CouponAnswer, CouponCheck, EligibleProduct
from app.domain.storefront.service.sold import rate_for, read_sold
from app.errors import Refused
from app.settings import Settings

NO_PRODUCTS = "El cupón vale para algunas categorías: hay que decir los productos"


class CouponNotValid(Refused):
    """El cupón no es válido"""

    def body(self) -> dict[str, Any]:
        return {"valid": False} | super().body()


class CouponChecker:
    """Reads alone, in at most four statements."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings
        self.rules = RuleService(session)

    async def check(self, asked: CouponCheck, user_id: int) -> CouponAnswer:
        """What the coupon takes off. Raises CouponNotValid.

        A coupon for some categories counts the lines of these at the server's prices, options left out; any other
        counts the amount that the client says. The minimum is always the client's amount.
        """
        row = await self.rules.coupon(user_id, code=asked.code)
        if row is None:
            raise _not_valid(coupons.UNKNOWN)
        coupon = coupon_of(row)
        refusal = coupons.refusal_of(coupon, row.now) or coupons.minimum_refusal(coupon, asked.purchase_amount)
        if refusal is not None:
            raise _not_valid(refusal)
        if coupon.for_categories and not asked.products:
            raise CouponNotValid(NO_PRODUCTS, code="coupon_not_eligible")
        eligible = [each for each in await self._priced(asked) if coupon.covers(each[1].line)]
        if asked.products and not eligible:
            raise _not_valid(coupons.not_eligible())
        base = asked.purchase_amount
        if coupon.for_categories:
            base = sum((priced.line_total - priced.bulk_discount for _, priced in eligible), Decimal(0))
        return CouponAnswer(
            coupon=coupon_shown(row),
            calculated_discount=float(coupons.amount_off(coupon, base)),
            eligible_products=[_eligible(*each) for each in eligible],
            discount_base=float(base),
        )

    async def _priced(self, asked: CouponCheck) -> list[tuple[Sold, PricedLine]]:
        """The lines that were named, without the coupon."""
        if not asked.products:
            return []
        sold, now = await read_sold(self.session, {line.product_id for line in asked.products})
        rate = await rate_for(self.session, sold.values())
        lines = [_line(sold.get(line.product_id), line.product_id, line.quantity, rate) for line in asked.products]
        categories = (category for line in lines for category in line.categories)
        rules = await self.rules.of((line.product_id for line in lines), categories, now)
        priced = engine.price(lines, rules, now=now, zone=self.settings.zone)
        return [(sold[each.line.product_id], each) for each in priced.lines]


def _line(sold: Sold | None, product_id: int, quantity: int, rate: Decimal | None) -> Line:
    if sold is None or not sold.is_available:
        raise CouponNotValid(f"El producto {product_id} no existe o no está disponible", code="unknown_product")
    price = sold.price
    if sold.currency == "USD":
        if rate is None:
            raise CouponNotValid("No hay cotización del dólar", code="rate_missing")
        price, _ = in_pesos(price, Decimal(0), rate)
    return Line(sold.id, quantity, price, Decimal(0), sold.discount, sold.categories)


def _eligible(sold: Sold, priced: PricedLine) -> EligibleProduct:
    return EligibleProduct(sold.id, sold.name, priced.line.quantity, priced.unit_price, priced.line_total)


def _not_valid(refusal: CouponRefusal) -> CouponNotValid:
    return CouponNotValid(refusal.message, code=refusal.code)
