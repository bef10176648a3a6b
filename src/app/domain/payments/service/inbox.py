"""The inbox: what became of notifications. The intake keeps them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.payments.models import PaymentNotification

# Longer than a payment can be refunded, so that every question about one finds what was told of it.
KEPT_DAYS = 200


class Inbox:
    """What was told, in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def handled(self, resource: str, outcome: str) -> None:
        """What a look at this payment came to; all that was told of it by now is done with."""
        row = PaymentNotification
        waiting = (row.resource == resource, row.handled_at.is_(None))
        values: dict[str, Any] = {"outcome": outcome[:20], "handled_at": func.clock_timestamp()}
        await self.session.execute(update(row).where(*waiting).values(values))

    async def waiting(self, seconds: float, limit: int) -> Sequence[str]:
        """Payments of which something was told so long ago, and that nobody has looked at since."""
        age = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        row = PaymentNotification
        found = (
            select(row.resource)
            .where(row.handled_at.is_(None), row.received_at < age)
            .group_by(row.resource)
            .order_by(func.min(row.id))
            .limit(limit)
        )
        return (await self.session.execute(found)).scalars().all()

    async def age(self, resource: str) -> float:
        """Seconds since the first that was told of a payment and not handled; 0 without any."""
        row = PaymentNotification
        seconds = func.extract("epoch", func.clock_timestamp() - func.min(row.received_at))
        found = select(seconds).where(row.resource == resource, row.handled_at.is_(None))
        return float(await self.session.scalar(found) or 0.0)

    async def forget(self, limit: int) -> int:
        """What was handled so long ago that nobody asks about it any more; how many."""
        row = PaymentNotification
        old = func.clock_timestamp() - func.make_interval(0, 0, 0, KEPT_DAYS)
        some = (
            select(row.id).where(row.handled_at < old).order_by(row.id).limit(limit).with_for_update(skip_locked=True)
        )
        gone = await self.session.execute(delete(row).where(row.id.in_(some)).returning(row.id))
        return len(gone.all())
