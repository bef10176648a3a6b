"""What a cart costs now, at the shop's own prices."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.rules import Line
from app.domain.storefront.rules.choices import Sold
from app.domain.storefront.service.picking import WantedLine
from app.domain.storefront.service.quotes import Quote, QuoteService
from app.domain.storefront.service.sold import read_sold
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


class CartPricer:
    """Prices carts; reads alone, and refuses nothing: a cart promises nothing either."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.quotes = QuoteService(session, settings)

    async def price(
        self, lines: Sequence[Line], *, coupon_id: UUID | None = None, user_id: int | None = None
    ) -> Priced:
        """Lines of products that are unknown, not for sale, or in dollars of which nobody knows the rate are left out.

        One whose choice is not made yet costs what the cheapest choice would.
        """
        wanted = [WantedLine(line.product_id, line.quantity, line.variants) for line in lines]
        quote = await self._quote(wanted, coupon_id, user_id)
        open_places = set(range(len(lines))) - {line.place for line in quote.lines}
        if open_places and (chosen := await self._chosen(wanted, open_places)):
            quote = await self._quote(chosen, coupon_id, user_id)
        priced = [PricedLine(lines[line.place], line.unit_price, line.place) for line in quote.lines]
        return Priced(priced, quote.subtotal, quote.bulk_promotion_discount + quote.discount)

    async def _quote(self, wanted: Sequence[WantedLine], coupon_id: UUID | None, user_id: int | None) -> Quote:
        return await self.quotes.quote(wanted, coupon_id=coupon_id, user_id=user_id, lenient=True)

    async def _chosen(self, wanted: Sequence[WantedLine], places: set[int]) -> list[WantedLine] | None:
        """The lines with a choice for each of those at these places; None when none of them lacks one."""
        sold, _ = await read_sold(self.session, {wanted[place].product_id for place in places})
        made = {
            place: msgspec.structs.replace(wanted[place], variants=_completed(product, wanted[place].variants or {}))
            for place in places
            if (product := sold.get(wanted[place].product_id)) is not None and product.options
        }
        return [made.get(place, line) for place, line in enumerate(wanted)] if made else None


def _completed(product: Sold, named: object) -> dict[str, str]:
    """An option of each variant: the one that was named, if there is such a one, else the cheapest."""
    asked = named if isinstance(named, dict) else {}
    choice: dict[str, str] = {}
    for variant in dict.fromkeys(option.variant for option in product.options):
        options = [option for option in product.options if option.variant == variant]
        cheapest = min(options, key=lambda option: option.adjustment)
        choice[variant] = next((option.name for option in options if option.name == asked.get(variant)), cheapest.name)
    return choice
