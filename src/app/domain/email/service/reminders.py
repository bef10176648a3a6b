"""Whom to remind of a cart that was left: few, seldom, and only if the shop wants it."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.carts.rules import EXPIRES_AFTER_DAYS
from app.domain.email import queries
from app.jobs.queue import defer_many
from app.settings import Settings

# Whoever comes back later than this after a reminder, and leaves again, may be reminded again.
QUIET_HOURS = 24
# After how many hours of being abandoned each mail of a series is due.
SERIES_HOURS = [0, 24, 72]
LIMIT = 500


class ReminderService:
    """Defers reminders in the caller's transaction."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.most = settings.cart_reminders

    async def remind(self) -> int:
        """Mark the carts of which a reminder is due, and queue their mails; how many. None unless the setting asks."""
        if not self.most:
            return 0
        values = {"most": self.most, "hours": SERIES_HOURS, "quiet_hours": QUIET_HOURS, "days": EXPIRES_AFTER_DAYS}
        rows = (await self.session.execute(queries.REMIND, values | {"limit": LIMIT})).all()
        mails = [{"cart_id": cart_id, "occurrence": number} for cart_id, number in rows]
        await defer_many(self.session, "send_reminder_mail", mails)
        return len(mails)
