"""What a cart costs now, at the shop's own prices."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.rules import Line
from app.domain.catalog.models import Product

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")


class PricedLine(msgspec.Struct, frozen=True):
    line: Line
    price: Decimal


class Priced(msgspec.Struct, frozen=True):
    """The lines that the shop can name a price for, and their sums; `discount` is of promotions and coupon together."""

    lines: list[PricedLine]
    subtotal: Decimal = NOTHING
    discount: Decimal = NOTHING

    @property
    def total(self) -> Decimal:
        return self.subtotal - self.discount


class CartPricer:
    """Prices carts; reads alone."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def price(self, lines: Sequence[Line]) -> Priced:
        """Lines of products that are unknown or not for sale are left out."""
        wanted = {line.product_id for line in lines}
        statement = select(Product.id, Product.price, Product.discount).where(
            Product.id.in_(wanted), Product.deleted_at.is_(None), Product.is_available
        )
        known = {row.id: row for row in await self.session.execute(statement)}
        priced = [
            PricedLine(line, _price(known[line.product_id].price, known[line.product_id].discount))
            for line in lines
            if line.product_id in known
        ]
        return Priced(priced, sum((each.price * each.line.quantity for each in priced), NOTHING))


def _price(price: Decimal, discount: Decimal) -> Decimal:
    return (price * (100 - discount) / 100).quantize(CENT, ROUND_HALF_UP)
