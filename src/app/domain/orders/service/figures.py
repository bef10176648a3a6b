"""How many orders there are of each kind."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders.models import Order
from app.domain.orders.queries import lists
from app.domain.orders.schemas.inputs import OrderFilters
from app.domain.orders.schemas.orders import OrderStatistics, OrderStats
from app.domain.orders.states import STATUSES
from app.http.principal import Principal


class OrderFigures:
    """Counts what one user may see."""

    def __init__(self, session: AsyncSession, user: Principal) -> None:
        self.session = session
        self.user = user

    async def statistics(self) -> OrderStatistics:
        """Abandoned ones, most of which were never more than carts, are counted apart from the total."""
        everything = lists.listed(self.user, OrderFilters(exclude_temporary=False))
        counts = await self._counts(everything & (~Order.is_temporary | (Order.status == "abandoned")))
        abandoned = counts.pop("abandoned", 0)
        recovered = int((await self.session.execute(lists.recovered(everything))).scalar_one())
        return OrderStatistics(
            total_orders=sum(counts.values()),
            pending_orders=counts.get("pending", 0),
            payment_pending_orders=counts.get("payment_pending", 0),
            paid_orders=counts.get("paid", 0),
            shipped_orders=counts.get("shipped", 0),
            completed_orders=counts.get("completed", 0),
            cancelled_orders=counts.get("cancelled", 0),
            archived_orders=counts.get("archived", 0),
            abandoned_orders=abandoned,
            recovered_carts=recovered,
        )

    async def by_status(self, filters: OrderFilters) -> OrderStats:
        """Every status, those without orders too."""
        found = await self._counts(lists.listed(self.user, filters))
        counts: dict[str, int] = {status: found.get(status, 0) for status in STATUSES}
        counts["archived"] += found.get("completed", 0)
        return OrderStats(counts, sum(counts.values()))

    async def _counts(self, condition: lists.Condition) -> dict[str, int]:
        rows = await self.session.execute(lists.by_status(condition))
        return {str(status): int(orders) for status, orders in rows}
