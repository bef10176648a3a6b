"""Stock of an order's lines, and the words for when there is too little of it."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.inventory.service import TooFew
from app.domain.orders.queries.life import SOLD_AS
from app.domain.orders.rules import Outrun, insufficient_stock


async def refusal_of(session: AsyncSession, error: TooFew) -> Outrun:
    """The answer to a lost competition for stock: names each product and what is left of it."""
    left = {pool.pool_id: pool.units for pool in error.short}
    rows = await session.execute(SOLD_AS, {"pools": list(left)})
    return insufficient_stock([(name, product_id, left[pool_id]) for pool_id, product_id, name in rows])
