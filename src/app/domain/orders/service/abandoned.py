"""Orders that were left: the older kind of abandoned cart."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.carts.rules import percentage
from app.domain.carts.schemas import Period
from app.domain.carts.service.staff import StaffCartService
from app.domain.orders.models import Order
from app.domain.orders.queries import life as queries
from app.domain.orders.schemas.abandoned import AbandonedFigures, CartsUpdate
from app.domain.orders.service.life import OrderLife
from app.domain.orders.service.reading import UNKNOWN
from app.errors import NotFound, Refused
from app.http.principal import Principal
from app.settings import Settings

# As many as one transaction may lock; the next call takes the rest.
MAX_ORDERS = 5000


class NotAbandoned(Refused):
    """El pedido no está abandonado"""

    code = "not_abandoned"


class AbandonedOrders:
    """Acts for one of the staff, or for the clock, in the caller's transaction."""

    def __init__(self, session: AsyncSession, settings: Settings, actor: Principal | None = None) -> None:
        self.session = session
        self.settings = settings
        self.actor = actor
        self.life = OrderLife(session)

    async def mark(self, minutes: int | None = None, *, temporary_only: bool = False) -> int:
        """Pending orders that nobody has touched for so long are abandoned, and give back what they took; how many.

        Without `minutes` by the setting.
        """
        silence = self.settings.cart_abandoned_minutes if minutes is None else minutes
        by = (self.actor.id or None) if self.actor else None
        ids = await self.life.abandon(MAX_ORDERS, minutes=silence, temporary_only=temporary_only, by=by)
        if self.actor is not None:
            await self._log("pending", "abandoned", *ids)
        return len(ids)

    async def recover(self, order_id: int) -> None:
        """An abandoned order is pending again, with what it took before.

        Raises NotFound, NotAbandoned; Conflict when its stock or its coupon is gone.
        """
        if await self.session.scalar(queries.RECOVER, {"id": order_id}) is None:
            if await self.session.scalar(select(Order.id).where(Order.id == order_id)) is None:
                raise NotFound(UNKNOWN)
            raise NotAbandoned
        by = self.actor.id if self.actor else None
        await self.life.move(order_id, "pending", by=by, cause="recovered", from_="abandoned", quiet=True)
        await self._log("abandoned", "pending", order_id)

    async def _log(self, old: str, new: str, *order_ids: int) -> None:
        deeds = [
            Deed(object_id=one, description=f"Pedido {one}: de {old} a {new}", changes={"status": [old, new]})
            for one in order_ids
        ]
        await ActivityService(self.session).write(self.actor, "status_change", "order", *deeds)

    async def figures(self, period: Period, days: int) -> AbandonedFigures:
        """Of orders that were abandoned in the last so many days, whatever became of them."""
        row = (await self.session.execute(queries.ABANDONED_FIGURES, {"days": days})).one()
        return AbandonedFigures(
            period=period,
            total_abandoned=row.abandoned,
            total_recovered=row.recovered,
            recovery_rate=percentage(row.recovered, row.abandoned),
            abandoned_value=row.abandoned_value,
            recovered_value=row.recovered_value,
        )

    async def update(self, minutes: int, *, dry_run: bool) -> CartsUpdate:
        """Abandon every cart and every pending order that has been idle for so long, or only count them."""
        carts = StaffCartService(self.session, self.settings)
        if dry_run:
            left = await self.session.scalar(queries.COUNT_LEFT, {"minutes": minutes})
            return CartsUpdate.of(minutes, await carts.count_left(minutes), int(left or 0))
        identified = await carts.identify(minutes, actor=self.actor)
        return CartsUpdate.of(minutes, identified, await self.mark(minutes))
