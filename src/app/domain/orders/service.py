"""Orders as other domains make them. The order's own operations come with the order API."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders import queries, schemas
from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.domain.orders.states import PaymentMethod, Status, first_status
from app.domain.storefront.service.products import MEDIA_PATH
from app.settings import Settings

RECIPIENT_LENGTH = 100


class HeldLine(msgspec.Struct, frozen=True):
    """A hold that becomes an order: one product of one store, units already taken, the price fixed."""

    user_id: int
    recipient_name: str
    email: str
    store_id: int
    product_id: int
    pool_id: int
    quantity: int
    unit_price: Decimal

    @property
    def total(self) -> Decimal:
        return self.unit_price * self.quantity


class OrderService:
    """Writes orders in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def next_id(self) -> int:
        """An order's id before the order: what the order takes can name it first."""
        return int((await self.session.execute(queries.NEXT_ID)).scalar_one())

    async def place_held(self, order_id: int, line: HeldLine, method: PaymentMethod) -> None:
        """An order of a promotion: picked up at its store, one line at the held price; a free one is paid at once."""
        status = first_status(method, line.total)
        await self.session.execute(insert(Order).values(**_held_order(order_id, line, method, status)))
        item = {
            "order_id": order_id,
            "product_id": line.product_id,
            "pool_id": line.pool_id,
            "quantity": line.quantity,
            "price": line.unit_price,
        }
        await self.session.execute(insert(OrderItem).values(**item))
        event = {"order_id": order_id, "status": status, "by_id": line.user_id, "cause": "flash_promotion"}
        await self.session.execute(insert(OrderEvent).values(**event))
        if status == "paid":
            await self.mark_buyer(line.user_id)

    async def mark_buyer(self, user_id: int) -> None:
        """Write on the profile when its owner first paid and when for the third time from the end.

        Segments are predicates over these two instants and the clock. To be called whenever an order of the user
        becomes paid or stops being so.
        """
        await self.session.execute(queries.MARK_BUYER, {"user": user_id})


class OrderReader:
    """Orders as the contract shows them, with their lines: two statements for any number, three with timelines."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.media_url = f"{settings.public_url}{MEDIA_PATH}"

    async def read(self, statement: queries.ReadStatement, *, timeline: bool = False) -> list[schemas.Order]:
        """The orders of a statement of the table's columns, in its order."""
        rows = (await self.session.execute(statement)).all()
        ids = [row.id for row in rows]
        items: dict[int, list[schemas.OrderItem]] = defaultdict(list)
        for item in await self.session.execute(queries.items_of(ids)):
            items[item.order_id].append(schemas.item_of(item, self.media_url))
        if not timeline:
            return [schemas.order_of(row, items[row.id]) for row in rows]
        moves: dict[int, list[schemas.OrderMove]] = defaultdict(list)
        for move in await self.session.execute(queries.moves_of(ids)):
            moves[move.order_id].append(schemas.OrderMove(move.at, move.status, move.by_id, move.cause))
        return [schemas.order_of(row, items[row.id], moves[row.id]) for row in rows]


def _held_order(order_id: int, line: HeldLine, method: PaymentMethod, status: Status) -> dict[str, Any]:
    """The columns of a promotion's order."""
    return {
        "id": order_id,
        "user_id": line.user_id,
        "store_id": line.store_id,
        "recipient_name": line.recipient_name[:RECIPIENT_LENGTH],
        "customer_email": line.email,
        "delivery_type": "pickup",
        "payment_method": method,
        "status": status,
        "subtotal": line.total,
        "total": line.total,
        "paid_at": func.clock_timestamp() if status == "paid" else None,
    }
