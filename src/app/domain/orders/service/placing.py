"""How orders come into being."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.domain.orders.queries import life as queries
from app.domain.orders.service.buyers import mark_buyer
from app.domain.orders.states import PaymentMethod, Status, first_status
from app.jobs.queue import defer_all

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
            "pool_ids": [line.pool_id],
            "quantity": line.quantity,
            "price": line.unit_price,
        }
        await self.session.execute(insert(OrderItem).values(**item))
        event = {"order_id": order_id, "status": status, "by_id": line.user_id, "cause": "flash_promotion"}
        await self.session.execute(insert(OrderEvent).values(**event))
        if status == "paid":
            await mark_buyer(self.session, line.user_id)
        await defer_all(self.session, news_of(order_id))


def news_of(order_id: int) -> list[tuple[str, Mapping[str, Any]]]:
    """The jobs that tell of a new order: staff by push, the customer by mail."""
    return [
        ("notifications:order_created", {"order_id": order_id}),
        ("send_order_mail", {"order_id": order_id, "kind": "order_created"}),
    ]


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
        "holds_stock": True,
        "subtotal": line.total,
        "total": line.total,
        "paid_at": func.clock_timestamp() if status == "paid" else None,
    }
