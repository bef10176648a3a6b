"""What staff, and the clock, do with the carts of others."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.carts import rules
from app.domain.carts.models import Cart
from app.domain.carts.queries import reading, writing
from app.domain.carts.schemas import AbandonedCartStatistics, MostAbandonedProduct, Period
from app.errors import NotFound, Refused
from app.http.principal import Principal
from app.settings import Settings

MAX_ROWS = 1_000_000
Window = tuple[dt.datetime | None, dt.datetime | None]


class NotAbandoned(Refused):
    """El carrito no está abandonado"""

    code = "cart_not_abandoned"


class StaffCartService:
    """Writes in the caller's transaction; what staff do is logged."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.minutes = settings.cart_abandoned_minutes

    async def identify(
        self, minutes: int | None = None, *, limit: int = MAX_ROWS, actor: Principal | None = None
    ) -> int:
        """Write down which carts have been silent for so long that they are abandoned; how many.

        Without `minutes` by the setting. Nobody waits for this: readers go by the clock. The log has one row for an
        `actor`'s call that found any, of no cart in particular: object 0.
        """
        values = {"minutes": self.minutes if minutes is None else minutes, "limit": limit}
        count = int(getattr(await self.session.execute(writing.IDENTIFY, values), "rowcount", 0))
        if count and actor is not None:
            changes = {"status": ["active", "abandoned"]}
            deed = Deed(object_id=0, description=f"Carritos abandonados identificados: {count}", changes=changes)
            await ActivityService(self.session).write(actor, "status_change", "abandonedcart", deed)
        return count

    async def count_left(self, minutes: int | None = None) -> int:
        """How many `identify` would find."""
        return int(
            (
                await self.session.execute(
                    writing.COUNT_LEFT, {"minutes": self.minutes if minutes is None else minutes}
                )
            ).scalar_one()
        )

    async def expire(self, *, limit: int = MAX_ROWS) -> int:
        """Write down which carts nobody means any more; how many."""
        values = {"minutes": self.minutes, "days": rules.EXPIRES_AFTER_DAYS, "limit": limit}
        return int(getattr(await self.session.execute(writing.EXPIRE, values), "rowcount", 0))

    async def recover(self, cart_id: int, actor: Principal) -> None:
        """An abandoned cart's customer was won back. Raises NotFound and NotAbandoned; of several calls one counts."""
        values = {"id": cart_id, "minutes": self.minutes, "days": rules.EXPIRES_AFTER_DAYS}
        if await self.session.scalar(writing.RECOVER, values) is None:
            if await self.session.scalar(select(Cart.id).where(Cart.id == cart_id)) is None:
                raise NotFound
            raise NotAbandoned
        changes = {"status": ["abandoned", "recovered"]}
        deed = Deed(object_id=cart_id, description="Carrito recuperado", changes=changes)
        await ActivityService(self.session).write(actor, "status_change", "abandonedcart", deed)

    async def statistics(self, period: Period, window: Window) -> AbandonedCartStatistics:
        """Of carts that began in the window: from its first instant on, before its second."""
        row = (await self.session.execute(reading.statistics(self.minutes, *window))).one()
        most = await self.session.execute(reading.most_abandoned(self.minutes, *window))
        return AbandonedCartStatistics(
            total_count=row.total_count,
            recovered_count=row.recovered_count,
            converted_count=row.converted_count,
            abandoned_count=row.abandoned_count,
            active_count=row.active_count,
            average_value=row.average_value,
            abandonment_rate=rules.percentage(row.abandoned_count, row.total_count),
            recovery_rate=rules.percentage(row.recovered_count, row.abandoned_count),
            average_time_to_recovery=rules.in_english_hours(row.time_to_recovery),
            most_abandoned_products=[MostAbandonedProduct(*product) for product in most],
            period=period,
        )
