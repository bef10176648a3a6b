"""What a cart costs now, at the shop's own prices."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.rules import Line
from app.domain.storefront.rules.choices import Sold
from app.domain.storefront.service.picking import WantedLine
from app.domain.storefront.service.quotes import Purchase, Quote, QuoteService
from app.settings import Settings

NOTHING = Decimal("0.00")


class PricedLine(msgspec.Struct, frozen=True):
    """A line and what a unit of it costs; `place` is that of the line among those asked for."""

    line: Line
    price: Decimal
    place: int


class Priced(msgspec.Struct, frozen=True):
    """The lines that the shop can name a price for, and their sums; `discount` is of promotions and coupon together."""

    lines: list[PricedLine]
    subtotal: Decimal = NOTHING
    discount: Decimal = NOTHING

    @property
    def total(self) -> Decimal:
        return self.subtotal - self.discount


class Bought(msgspec.Struct, frozen=True):
    """A cart to be priced, with its coupon and its owner."""

    lines: Sequence[Line]
    coupon_id: UUID | None = None
    user_id: int | None = None


class CartPricer:
    """Prices carts; reads alone, and refuses nothing: a cart promises nothing either."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.quotes = QuoteService(session, settings)

    async def price(self, lines: Sequence[Line]) -> Priced:
        """Lines of products that are unknown, not for sale, or in dollars of which nobody knows the rate are left out.

        One whose choice is not made yet costs what the cheapest choice would.
        """
        (priced,) = await self.price_all([Bought(lines)])
        return priced

    async def price_all(self, carts: Sequence[Bought]) -> list[Priced]:
        """The same of several carts, in as many statements as of one."""
        wanted = [
            Purchase(
                [WantedLine(line.product_id, line.quantity, line.variants) for line in cart.lines],
                cart.coupon_id,
                cart.user_id,
            )
            for cart in carts
        ]
        quotes = await self.quotes.quote_all(wanted, _chosen) if carts else []
        return [_priced(cart.lines, quote) for cart, quote in zip(carts, quotes, strict=True)]


def _priced(lines: Sequence[Line], quote: Quote) -> Priced:
    priced = [PricedLine(lines[line.place], line.unit_price, line.place) for line in quote.lines]
    return Priced(priced, quote.subtotal, quote.bulk_promotion_discount + quote.discount)


def _chosen(line: WantedLine, sold: Mapping[int, Sold]) -> WantedLine:
    """The line with an option of each variant: the one that was named, if there is such a one, else the cheapest."""
    product = sold.get(line.product_id)
    if product is None or not product.options:
        return line
    asked = line.variants or {}
    choice: dict[str, str] = {}
    for variant in dict.fromkeys(option.variant for option in product.options):
        options = [option for option in product.options if option.variant == variant]
        cheapest = min(options, key=lambda option: option.adjustment)
        choice[variant] = next((option.name for option in options if option.name == asked.get(variant)), cheapest.name)
    return msgspec.structs.replace(line, variants=choice)
