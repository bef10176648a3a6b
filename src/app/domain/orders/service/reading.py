"""Orders as the contract shows them."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET
from sqlalchemy import Executable, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.marketing.service.coupon_details import coupon_details
from app.domain.orders.models import Order
from app.domain.orders.queries import lists
from app.domain.orders.queries import reading as queries
from app.domain.orders.schemas import orders as schemas
from app.domain.storefront.service.products import MEDIA_PATH
from app.errors import NotFound
from app.settings import Settings

UNKNOWN = "No Order matches the given query."


def media_url_of(settings: Settings) -> str:
    """What leads the names of stored pictures."""
    return f"{settings.public_url}{MEDIA_PATH}"


class OrderReader:
    """Orders as the contract shows them, with their lines: as many statements for many as for one."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.media_url = media_url_of(settings)

    async def one(self, order_id: int, condition: lists.Condition, *, timeline: bool) -> schemas.Order:
        """Raises NotFound, also for an order outside of the condition."""
        statement = select(*Order.__table__.columns).where(Order.id == order_id, condition)
        found = await self.read(statement, timeline=timeline)
        if not found:
            raise NotFound(UNKNOWN)
        return found[0]

    async def read(
        self, statement: Executable, values: Mapping[str, Any] | None = None, *, timeline: bool = False
    ) -> list[schemas.Order]:
        """The orders of a statement of the table's columns, in its order."""
        rows = (await self.session.execute(statement, values)).all()
        ids = {"ids": [row.id for row in rows]}
        items: dict[int, list[schemas.OrderItem]] = defaultdict(list)
        for item in await self.session.execute(queries.items(), ids):
            items[item.order_id].append(schemas.item_of(item, self.media_url))
        coupons = await coupon_details(self.session, (row.coupon_id for row in rows))
        moves: dict[int, list[schemas.OrderMove]] = defaultdict(list)
        if timeline:
            for move in await self.session.execute(queries.moves(), ids):
                moves[move.order_id].append(schemas.OrderMove(move.at, move.status, move.by_id, move.cause))
        return [
            schemas.order_of(row, items[row.id], coupons.get(row.coupon_id), moves[row.id] if timeline else UNSET)
            for row in rows
        ]


class OrderPages:
    """A list of orders in pages, newest first: counted once, then read where the page lies."""

    def __init__(self, reader: OrderReader, condition: lists.Condition) -> None:
        self.reader = reader
        self.condition = condition
        self.total = 0

    async def count(self) -> int:
        self.total = int((await self.reader.session.execute(lists.count(self.condition))).scalar_one())
        return self.total

    async def rows(self, limit: int, offset: int) -> list[schemas.Order]:
        """After `count`."""
        return await self.reader.read(lists.page(self.condition, limit, offset, self.total))
