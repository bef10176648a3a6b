"""What a user's orders make of the user, written early for those who ask often."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders.queries import life as queries


async def mark_buyer(session: AsyncSession, user_id: int) -> None:
    """Write on the profile when its owner first paid and when for the third time from the end.

    Segments are predicates over these two instants and the clock. To be called whenever an order of the user becomes
    paid or stops being so, before stock is touched: the profile's lock comes first.
    """
    await session.execute(queries.LOCK_BUYER, {"user": user_id})
    await session.execute(queries.MARK_BUYER, {"user": user_id})
