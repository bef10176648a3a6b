"""The archive of holds: what ended without a sale, long ago."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.growth import GrowthService
from app.domain.promos.queries import archive

TABLE = "reservation_archive"


class Step(msgspec.Struct, frozen=True):
    """What a batch did: how many holds it moved, and after which id the next one looks; None when it is the last."""

    moved: int
    after: int | None


class ArchiveService:
    """Moves finished holds in the caller's transaction. Sold ones stay: their orders, limits and returns refer to them.

    A hold is in one of its tables in every snapshot, before and after.
    """

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def start(self) -> int:
        """The id after which holds have not been looked at."""
        return int((await self.session.execute(archive.UP_TO)).scalar_one())

    async def make_months(self, after: int, *, days: int, limit: int) -> None:
        """Partitions for what the next batch moves, so that nothing goes astray."""
        values = {"after": after, "days": days, "limit": limit}
        for month in (await self.session.scalars(archive.MONTHS, values)).all():
            await GrowthService(self.session, TABLE).make(month)

    async def move(self, after: int, *, days: int, limit: int) -> Step:
        """Look at up to `limit` finished holds after an id, and move the unsold that ended so many days ago.

        At the first one that is younger, sold or not, the walk stops.
        """
        row = (await self.session.execute(archive.MOVE, {"after": after, "days": days, "limit": limit})).one()
        return Step(row.moved, None if row.young is not False else row.last)
