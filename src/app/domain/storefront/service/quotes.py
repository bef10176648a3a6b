"""What a purchase costs, and why: everything that shows or charges a price of several things asks here."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.service.coupons import CouponExhausted
from app.domain.marketing.service.price_rules import RuleService, coupon_of
from app.domain.pricing.rules import engine
from app.domain.pricing.rules.coupons import UNKNOWN
from app.domain.pricing.rules.facts import Coupon, Rules
from app.domain.pricing.rules.quotes import CouponOutcome, PricedLine
from app.domain.pricing.rules.quotes import Quote as PricedQuote
from app.domain.pricing.rules.reasons import reasons_of
from app.domain.storefront.rules.choices import Sold
from app.domain.storefront.service.picking import Picked, WantedLine, picked_of
from app.domain.storefront.service.sold import rate_for, read_sold
from app.errors import Refused
from app.settings import Settings


class QuotedLine(msgspec.Struct, frozen=True):
    """A line with its price in ARS and everything that an order needs of it.

    `place` is that of the wanted line. A unit is taken out of each of `pool_ids`. `reasons` are words for people.
    """

    place: int
    product_id: int
    name: str
    quantity: int
    variants: dict[str, str] | None
    variants_label: str
    option_ids: tuple[int, ...]
    pool_ids: tuple[int, ...]
    currency: str
    base_price: Decimal
    price_adjustment: Decimal
    discount_percent: Decimal
    discount_source: str | None
    unit_price: Decimal
    line_total: Decimal
    bulk_discount: Decimal
    coupon_share: Decimal
    final: Decimal
    reasons: list[str]


class Quote(msgspec.Struct, frozen=True):
    """What the lines cost at an instant: `total` is subtotal - bulk_promotion_discount - discount.

    `dollar_rate` priced the USD lines, None without any. `valid_until` is when the clock alone changes a price next.
    """

    lines: Sequence[QuotedLine]
    subtotal: Decimal
    bulk_promotion_discount: Decimal
    discount: Decimal
    total: Decimal
    coupon: CouponOutcome | None
    dollar_rate: Decimal | None
    at: dt.datetime
    valid_until: dt.datetime | None
    server_time: dt.datetime

    @property
    def coupon_id(self) -> UUID | None:
        """The coupon that takes its part; None without one, and for one that is refused."""
        return None if self.coupon is None or self.coupon.refusal is not None else self.coupon.id

    def require_coupon(self) -> None:
        """Raises when a coupon was asked for and is refused: CouponExhausted when it is used up, else Refused."""
        refusal = self.coupon and self.coupon.refusal
        if not refusal:
            return
        if refusal.code == "coupon_exhausted":
            raise CouponExhausted(refusal.message)
        raise Refused(refusal.message, code=refusal.code)


class Purchase(msgspec.Struct, frozen=True):
    """What somebody means to buy, and with which coupon."""

    lines: Sequence[WantedLine]
    coupon_id: UUID | None = None
    user_id: int | None = None


Chooser = Callable[[WantedLine, Mapping[int, Sold]], WantedLine]


class QuoteService:
    """Reads alone, in at most four statements whatever the number of lines."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings
        self.rules = RuleService(session)

    async def quote(
        self,
        lines: Sequence[WantedLine],
        *,
        coupon_code: str | None = None,
        coupon_id: UUID | None = None,
        user_id: int | None = None,
        delivery_type: str | None = None,  # noqa: ARG002 - asked for by every caller; nothing is charged for it
        at: dt.datetime | None = None,
        lenient: bool = False,
    ) -> Quote:
        """The price of the lines now, or at another instant, with or without a coupon.

        Raises Refused for a product that is unknown or not for sale, for a choice that it does not have or that is
        missing, and for USD prices without a rate; a lenient quote leaves such lines out. A coupon that is refused
        takes nothing off and says why; `Quote.require_coupon` raises it.
        """
        sold, now = await read_sold(self.session, {line.product_id for line in lines})
        rate = await rate_for(self.session, sold.values())
        picked = picked_of(lines, sold, rate, lenient=lenient)
        coupon, unknown = await self._coupon(user_id, coupon_code, coupon_id)
        rules = await self._rules(picked, coupon, at or now)
        priced = engine.price([each.line for each in picked], rules, now=at or now, zone=self.settings.zone)
        return _whole(picked, priced, unknown, rate, now)

    async def quote_each(self, purchases: Sequence[Sequence[WantedLine]]) -> list[Quote | None]:
        """As `quote`, of several purchases without a coupon, in statements of one; None for what would be refused."""
        quotes = await self.quote_all([Purchase(lines) for lines in purchases])
        return [
            quote if len(quote.lines) == len(lines) else None for quote, lines in zip(quotes, purchases, strict=True)
        ]

    async def quote_all(self, purchases: Sequence[Purchase], choose: Chooser | None = None) -> list[Quote]:
        """Several purchases, leniently, in statements of one. `choose` may make of a line what is priced in its place.

        A coupon that is refused takes nothing off.
        """
        sold, now = await read_sold(self.session, {line.product_id for each in purchases for line in each.lines})
        rate = await rate_for(self.session, sold.values())
        lines = [[choose(line, sold) for line in each.lines] if choose else each.lines for each in purchases]
        picked = [picked_of(of_one, sold, rate, lenient=True) for of_one in lines]
        rules = await self._rules([each for of_one in picked for each in of_one], None, now)
        coupons = await self.rules.coupons([(each.coupon_id, each.user_id) for each in purchases])
        owns = [msgspec.structs.replace(rules, coupon=coupon) for coupon in coupons]
        zone = self.settings.zone
        return [
            _whole(of_one, engine.price([each.line for each in of_one], own, now=now, zone=zone), None, rate, now)
            for of_one, own in zip(picked, owns, strict=True)
        ]

    async def _coupon(
        self, user_id: int | None, code: str | None, coupon_id: UUID | None
    ) -> tuple[Coupon | None, CouponOutcome | None]:
        """The coupon that was asked for, or what there is to say of one that there is not."""
        if not code and coupon_id is None:
            return None, None
        row = await self.rules.coupon(user_id, code=code, coupon_id=coupon_id)
        if row is None:
            return None, CouponOutcome(code or str(coupon_id), refusal=UNKNOWN)
        return coupon_of(row), None

    async def _rules(self, picked: Sequence["Picked"], coupon: Coupon | None, at: dt.datetime) -> Rules:
        categories = (category for each in picked for category in each.line.categories)
        rules = await self.rules.of((each.line.product_id for each in picked), categories, at)
        return rules if coupon is None else msgspec.structs.replace(rules, coupon=coupon)


def _whole(
    picked: Sequence[Picked],
    priced: PricedQuote,
    unknown: CouponOutcome | None,
    rate: Decimal | None,
    now: dt.datetime,
) -> Quote:
    lines = [_quoted(each, line) for each, line in zip(picked, priced.lines, strict=True)]
    return Quote(
        lines=lines,
        subtotal=priced.subtotal,
        bulk_promotion_discount=priced.bulk_promotion_discount,
        discount=priced.discount,
        total=priced.total,
        coupon=unknown or priced.coupon,
        dollar_rate=rate if any(line.currency == "USD" for line in lines) else None,
        at=priced.at,
        valid_until=priced.valid_until,
        server_time=now,
    )


def _quoted(picked: Picked, priced: PricedLine) -> QuotedLine:
    variants = picked.variants or {}
    return QuotedLine(
        place=picked.place,
        product_id=picked.sold.id,
        name=picked.sold.name,
        quantity=priced.line.quantity,
        variants=picked.variants,
        variants_label=", ".join(f"{variant}: {name}" for variant, name in variants.items()),
        option_ids=picked.option_ids,
        pool_ids=picked.pool_ids,
        currency=picked.sold.currency,
        base_price=priced.line.price,
        price_adjustment=priced.line.adjustment,
        discount_percent=priced.discount.percent,
        discount_source=priced.discount.source,
        unit_price=priced.unit_price,
        line_total=priced.line_total,
        bulk_discount=priced.bulk_discount,
        coupon_share=priced.coupon_share,
        final=priced.final,
        reasons=reasons_of(priced),
    )
