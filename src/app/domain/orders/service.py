"""Orders as other domains make them. The order's own operations come with the order API."""

from decimal import Decimal

import msgspec
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders import queries
from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.domain.orders.states import PaymentMethod, first_status

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


class OrderService:
    """Writes orders in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def next_id(self) -> int:
        """An order's id before the order: what the order takes can name it first."""
        return int((await self.session.execute(queries.NEXT_ID)).scalar_one())

    async def place_held(self, order_id: int, line: HeldLine, method: PaymentMethod) -> None:
        """An order of a promotion: picked up at its store, one line at the held price."""
        total = line.unit_price * line.quantity
        status = first_status(method)
        order = {
            "id": order_id,
            "user_id": line.user_id,
            "store_id": line.store_id,
            "recipient_name": line.recipient_name[:RECIPIENT_LENGTH],
            "customer_email": line.email,
            "delivery_type": "pickup",
            "payment_method": method,
            "status": status,
            "subtotal": total,
            "total": total,
        }
        await self.session.execute(insert(Order).values(**order))
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

    async def mark_buyer(self, user_id: int) -> None:
        """Write on the profile when its owner first paid and when for the third time from the end.

        Segments are predicates over these two instants and the clock. To be called whenever an order of the user
        becomes paid or stops being so.
        """
        await self.session.execute(queries.MARK_BUYER, {"user": user_id})
