"""A buyer's hold: take, check out, cancel."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.activity.service import ActivityService, Deed
from app.domain.inventory.schemas import HoldRow
from app.domain.inventory.service import StockService
from app.domain.orders.service.placing import HeldLine, OrderService
from app.domain.orders.states import PaymentMethod
from app.domain.promos.queries import promotions as queries
from app.domain.promos.rules import UNKNOWN_HOLD, over_hold, refusal
from app.domain.promos.schemas import Hold
from app.domain.promos.service.claims import Ask, ClaimEngine, Grant
from app.errors import NotFound
from app.http.principal import Claim, Principal
from app.metrics import HOLDS


class HoldDesk:
    """Takes holds through the claim engine; knows no session."""

    def __init__(self, engine: ClaimEngine, tell: Callable[[int], None] = lambda _promo_id: None) -> None:
        """`tell` hears of a promotion whose units were held, after the commit; it may not wait for anything."""
        self.engine = engine
        self._tell = tell

    async def take(self, claim: Claim, promo_id: int, quantity: int) -> tuple[Hold, bool]:
        """The buyer's hold and whether it is new. Raises the refusal of whatever stood in the way."""
        verdict = await self.engine.claim(Ask(claim.user_id, claim.version, promo_id, quantity))
        HOLDS.labels(verdict.verdict).inc()
        if verdict.verdict == "new":
            self._tell(promo_id)
        if verdict.grant is None:
            raise refusal(verdict.verdict, verdict.units_left)
        return _hold(verdict.grant, verdict.server_time), verdict.verdict == "new"


class HoldService:
    """Ends holds in the request's transaction: one guarded statement decides each, whoever else comes at once."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.stock = StockService(session)
        self.orders = OrderService(session)
        self.log = ActivityService(session)

    async def check_out(self, user: Principal, token: UUID, method: PaymentMethod) -> Hold:
        """The hold becomes an order at its price; again, it is the same order. Raises NotFound, Conflict."""
        row = await self._own(token, user.id)
        if row.status == "held":
            row = await self._confirm(user, row, method)
        if row.status != "confirmed":
            raise over_hold(row.status)
        return _hold_of(row)

    async def _confirm(self, user: Principal, row: HoldRow, method: PaymentMethod) -> HoldRow:
        """Whoever the guarded statement lets through writes the order; a loser waits for it, then reads what became."""
        order_id = await self.orders.next_id()
        if await self.stock.confirm(row.token, user.id, order_id):
            line = await self._line(user, row)
            await self.orders.place_held(order_id, line, method)
            await self.stock.record_sale(row.pool_id, row.quantity, cause=f"order {order_id}")
            await self.log.write(user, "order", "order", _ordered(order_id, line))
        return await self._own(row.token, user.id)

    async def _line(self, user: Principal, row: HoldRow) -> HeldLine:
        offer = (await self.session.execute(queries.HELD_OFFER, {"store_product": row.store_product_id})).one()
        name = (await self.session.execute(queries.FULL_NAME, {"user": user.id})).scalar_one()
        return HeldLine(
            user_id=user.id,
            recipient_name=name or user.username,
            email=user.email,
            store_id=offer.store_id,
            product_id=offer.product_id,
            pool_id=row.pool_id,
            quantity=row.quantity,
            unit_price=row.unit_price,
        )

    async def cancel(self, user: Principal, token: UUID) -> Hold:
        """The hold ends and its units are free, once; again, it is the same answer. Raises NotFound, Conflict."""
        row = await self._own(token, user.id)
        if (row.order_id is None and await self.stock.cancel(token, user.id)) or row.status == "held":
            row = await self._own(token, user.id)
        if row.status == "confirmed":
            raise over_hold("confirmed")
        return _hold_of(row)

    async def _own(self, token: UUID, user_id: int) -> HoldRow:
        row = await self.stock.hold(token, user_id)
        if row is None:
            raise NotFound(UNKNOWN_HOLD)
        return row


def _ordered(order_id: int, line: HeldLine) -> Deed:
    """For the log: the new order."""
    changes = {"store": [None, line.store_id], "total": [None, line.total]}
    return Deed(object_id=order_id, description=f"Nueva orden creada: {order_id}", changes=changes)


def _hold(grant: Grant, server_time: datetime) -> Hold:
    return Hold(
        id=grant.id,
        promo=grant.promo_id,
        store_product=grant.store_product_id,
        user=grant.user_id,
        status="held",
        token=grant.token,
        quantity=grant.quantity,
        unit_price=grant.unit_price,
        expires_at=grant.expires_at,
        server_time=server_time,
    )


def _hold_of(row: HoldRow) -> Hold:
    return Hold(
        id=row.id,
        promo=row.promo_id,
        store_product=row.store_product_id,
        user=row.user_id,
        status=row.status,
        token=row.token,
        quantity=row.quantity,
        unit_price=row.unit_price,
        expires_at=row.expires_at,
        server_time=row.server_time,
        order=row.order_id,
    )
