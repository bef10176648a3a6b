"""The pushes of one user: shown to their owner, and gone with the account."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import plain
from app.domain.notifications.queries import reading as queries


class PushData:
    """What the shop remembers of a user's pushes."""

    name = "pushes"

    async def export(self, session: AsyncSession, user_id: int) -> Any:
        """Every push that is still kept, oldest first."""
        found = await session.execute(queries.PUSHES_OF_USER, {"user": user_id})
        return plain([dict(row) for row in found.mappings()])

    async def erase(self, session: AsyncSession, user_id: int) -> None:
        """What was said goes. That nobody in particular was told of a promotion on a day stays."""
        await session.execute(queries.ERASE, {"user": user_id})
