"""The lines of carts: stored, and as they are shown."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.models import LABEL_LENGTH, CartItem
from app.domain.carts.queries import reading as queries
from app.domain.carts.rules import Line, label_of
from app.domain.carts.service.prices import Priced


class LineService:
    """Writes the lines of a cart whose row the caller has locked."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def replace(self, cart_id: int, priced: Priced) -> None:
        """The cart has these lines and no other."""
        await self.session.execute(delete(CartItem).where(CartItem.cart_id == cart_id))
        rows = [
            {
                "cart_id": cart_id,
                "product_id": each.line.product_id,
                "quantity": each.line.quantity,
                "price": each.price,
                "variants": each.line.variants,
                "variants_label": (each.line.label or label_of(each.line.variants))[:LABEL_LENGTH],
            }
            for each in priced.lines
        ]
        if rows:
            await self.session.execute(insert(CartItem), rows)

    async def of(self, cart_ids: Sequence[int]) -> dict[int, list[Any]]:
        """The lines of some carts as rows of `queries.items_of`, by cart."""
        found: dict[int, list[Any]] = defaultdict(list)
        if cart_ids:
            for row in await self.session.execute(queries.items_of(cart_ids)):
                found[row.cart_id].append(row)
        return found


def line_of(row: Any) -> Line:
    return Line(row.product_id or 0, row.quantity, row.variants, row.variants_label)
