"""The carts of one user: shown to their owner, and nobody's once the account is gone."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import plain
from app.domain.carts.queries import personal as queries


class CartData:
    """What the shop remembers of a user's carts."""

    name = "carts"

    async def export(self, session: AsyncSession, user_id: int) -> Any:
        """Every cart with its lines, oldest first."""
        found = await session.execute(queries.OF_USER, {"user": user_id})
        return plain([dict(row) for row in found.mappings()])

    async def erase(self, session: AsyncSession, user_id: int) -> None:
        """Carts go; of those that became orders the row stays, without anything that leads to a person."""
        await session.execute(queries.FORGET, {"user": user_id})
        await session.execute(queries.ERASE, {"user": user_id})
