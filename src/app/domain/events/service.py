"""The event feed: numbers for what was committed, and reading by number."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.events import queries
from app.domain.events.schemas import Event, Feed


class EventService:
    """Reads and numbers events in the caller's transaction. Noting them is the triggers' work."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def waits(self) -> bool:
        """Whether an event has no number yet."""
        return bool(await self.session.scalar(queries.WAITS))

    async def number(self, limit: int) -> Sequence[int]:
        """Number up to `limit` committed events; their numbers, rising. None while somebody else does so.

        One transaction at a time numbers, and the next one begins when this one is committed. So a number is visible
        no sooner than all lower ones, and who reads on from a number misses nothing that a slow transaction brings.
        """
        if not await self.session.scalar(queries.LOCK):
            return ()
        found = await self.session.execute(queries.NUMBER, {"limit": limit})
        return sorted(found.scalars())

    async def tell_promos(self, limit: int) -> int:
        """Note the starts and ends of promotions that the clock has brought; how many."""
        return int(await self.session.scalar(queries.TELL_PROMOS, {"limit": limit}) or 0)

    async def after(self, number: int, limit: int, kind: str | None = None) -> Feed:
        """The events that follow a number, oldest first."""
        rows = (await self.session.execute(queries.feed(number, limit, kind))).all()
        events = [Event(*row) for row in rows[:limit]]
        oldest = await self.session.scalar(queries.OLDEST)
        return Feed(events, events[-1].number if events else number, len(rows) > limit, oldest)
