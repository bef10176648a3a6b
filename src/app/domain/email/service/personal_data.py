"""The mails of one user: shown to their owner, and without an address once the account is gone."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.rules import plain
from app.domain.email import queries


class MailData:
    """What the shop remembers of a user's mails."""

    name = "mails"

    async def export(self, session: AsyncSession, user_id: int) -> Any:
        """Every mail, oldest first; what it said was never stored."""
        found = await session.execute(queries.OF_USER, {"user_id": user_id})
        return plain([dict(row) for row in found.mappings()])

    async def erase(self, session: AsyncSession, user_id: int) -> None:
        """The rows stay without their address, so that no mail is sent twice. Who unsubscribed stays unsubscribed."""
        await session.execute(queries.ERASE, {"user_id": user_id})
