"""What an order's lines cost, by the shop's one quote."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.service.price_rules import RuleService, coupon_of
from app.domain.pricing.rules import engine
from app.domain.pricing.rules.facts import Coupon, Line
from app.domain.pricing.rules.quotes import Quote as PromisedSums
from app.domain.storefront.rules.choices import Sold
from app.domain.storefront.service.picking import WantedLine
from app.domain.storefront.service.quotes import Quote, QuotedLine, QuoteService
from app.domain.storefront.service.sold import read_sold
from app.settings import Settings


class Wanted(msgspec.Struct, frozen=True):
    """A line as it is asked for. `price` is what the client believes a unit to cost, None when it says nothing."""

    product_id: int
    quantity: int
    variants: Mapping[str, str] | None = None
    label: str = ""
    price: Decimal | None = None


class OrderPricer:
    """Reads alone; what it names is settled when the order takes it."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.quotes = QuoteService(session, settings)

    async def quote(
        self, lines: Sequence[Wanted], *, coupon_code: str | None, coupon_id: UUID | None, user_id: int | None
    ) -> Quote:
        """Raises Refused for what cannot be sold; a coupon's refusal stands in the quote."""
        wanted = _as_quoted(lines)
        return await self.quotes.quote(wanted, coupon_code=coupon_code, coupon_id=coupon_id, user_id=user_id)

    async def quote_each(self, orders: Sequence[Sequence[Wanted]]) -> list[Quote | None]:
        """The lines of several orders without coupons; None for what `quote` would refuse."""
        return await self.quotes.quote_each([_as_quoted(lines) for lines in orders])


def _as_quoted(lines: Sequence[Wanted]) -> list[WantedLine]:
    return [WantedLine(line.product_id, line.quantity, line.variants) for line in lines]


def units_of(lines: Sequence[QuotedLine]) -> dict[int, int]:
    """Units by stock, lines of one stock summed."""
    units: Counter[int] = Counter()
    for line in lines:
        for pool_id in line.pool_ids:
            units[pool_id] += line.quantity
    return dict(units)


def risen(wanted: Sequence[Wanted], lines: Sequence[QuotedLine]) -> list[dict[str, Any]]:
    """The lines that cost more than the client believes, with what they cost."""
    return [
        {"product_id": line.product_id, "variants": line.variants, "price": line.unit_price}
        for line in lines
        if (believed := wanted[line.place].price) is not None and believed < line.unit_price
    ]


class Promised(msgspec.Struct, frozen=True):
    """A line at the price of a unit that the order promised; `choice` tells lines of one product's options apart."""

    product_id: int | None
    choice: tuple[int, ...]
    quantity: int
    price: Decimal


class PromisedPrices:
    """Sums of an order that exists: its unit prices stay, what is taken off them follows its quantities."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.zone = settings.zone
        self.rules = RuleService(session)

    async def sums(self, lines: Sequence[Promised], coupon_id: UUID | None) -> PromisedSums:
        """What the lines come to. A coupon that the order has is not asked again whether it is on."""
        sold, now = await read_sold(self.session, {line.product_id for line in lines if line.product_id is not None})
        known = [_line(line, sold.get(line.product_id or 0)) for line in lines]
        found = await self.rules.of(sold, [each for line in known for each in line.categories], now)
        promotions = msgspec.structs.replace(found, offers=(), scheduled=(), coupon=await self._coupon(coupon_id))
        return engine.price(known, promotions, now=now, zone=self.zone)

    async def _coupon(self, coupon_id: UUID | None) -> Coupon | None:
        row = None if coupon_id is None else await self.rules.coupon(None, coupon_id=coupon_id)
        if row is None:
            return None
        taken = {"used": 0, "used_by_user": 0, "active": True, "expires_at": None}
        return msgspec.structs.replace(coupon_of(row), **taken)


def _line(line: Promised, product: Sold | None) -> Line:
    categories = () if product is None else product.categories
    return Line(line.product_id or 0, line.quantity, line.price, categories=categories, options=line.choice)
