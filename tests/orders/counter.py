"""Orders for tests: a shop whose people buy, written as the API would write them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.catalog.models import Product
from app.domain.inventory.service import StockService
from app.domain.orders.models import Order, OrderEvent, OrderItem
from app.settings import Settings
from tests.factories import bearer, make_staff, make_user
from tests.factories_catalog import make_product
from tests.shop import Headers


class Counter:
    """The shop's counter: people with their headers, orders as they are stored, and what they did to the stock."""

    def __init__(self, client: httpx.AsyncClient, db: AsyncSession, settings: Settings) -> None:
        self.client, self.db, self.settings = client, db, settings
        self.names: dict[int, Headers] = {}

    async def shopper(self, **fields: Any) -> tuple[int, Headers]:
        user = await make_user(self.db, **fields)
        return user.id, bearer(self.settings, user)

    async def staff(self) -> tuple[int, Headers]:
        user = await make_staff(self.db)
        return user.id, bearer(self.settings, user)

    async def order(
        self, user_id: int | None, lines: Sequence[tuple[Product, int]] = (), *, status: str = "pending", **fields: Any
    ) -> int:
        """A committed order that has taken its units, unless its status says otherwise."""
        lines = lines or [(await make_product(self.db), 2)]
        taken = status not in {"cancelled", "abandoned"} and not fields.get("is_temporary")
        total = sum((product.price * units for product, units in lines), Decimal(0))
        values = {"recipient_name": "Ana Prueba", "customer_email": "ana@example.com", "holds_stock": taken}
        order = Order(user_id=user_id, status=status, subtotal=total, total=total, **(values | fields))
        self.db.add(order)
        await self.db.flush()
        for product, units in lines:
            line = {"product_id": product.id, "pool_ids": [product.pool_id], "quantity": units, "price": product.price}
            self.db.add(OrderItem(order_id=order.id, **line))
        self.db.add(OrderEvent(order_id=order.id, status=status, by_id=user_id, cause="created"))
        await self.db.flush()
        if taken:
            wanted = {product.pool_id: units for product, units in lines}
            await StockService(self.db).take(wanted, cause=f"order {order.id}")
        await self.db.commit()
        return order.id

    async def value(self, statement: str, **values: Any) -> Any:
        found = (await self.db.execute(text(statement), values)).scalar_one_or_none()
        await self.db.commit()
        return found

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        found = [tuple(row) for row in await self.db.execute(text(statement), values)]
        await self.db.commit()
        return found

    async def status(self, order_id: int) -> str:
        return str(await self.value("SELECT status FROM orders WHERE id = :id", id=order_id))

    async def free(self, product: Product) -> int:
        return int(await self.value("SELECT stock_free(:pool)", pool=product.pool_id))

    async def moves(self, order_id: int) -> list[tuple[Any, ...]]:
        statement = "SELECT status, by_id, cause FROM order_event WHERE order_id = :id ORDER BY id"
        return await self.rows(statement, id=order_id)

    async def jobs(self) -> list[tuple[str, dict[str, Any]]]:
        """What was deferred: each job's name and its arguments, oldest first."""
        found = await self.rows("SELECT task_name, args FROM procrastinate_jobs ORDER BY id")
        return [(str(name), dict(args)) for name, args in found]
