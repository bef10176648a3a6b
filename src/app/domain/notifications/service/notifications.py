"""Pushes about orders and tests, and what is shown of all pushes."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.devices.rules import Window
from app.domain.devices.service.preferences import PreferenceService, hours_of
from app.domain.notifications.queries import reading as queries
from app.domain.notifications.queries import stock
from app.domain.notifications.rules import (
    ORDER_LIFE,
    SHOWN,
    TEST_BODY,
    TEST_LIFE,
    TEST_TITLE,
    Words,
    low_stock_words,
    move_words,
    new_order_words,
)
from app.domain.notifications.schemas import LatestOrder, Push
from app.errors import NotFound
from app.jobs.queue import defer
from app.settings import Settings

HISTORY = 50
DEBUGGED = 10
UNKNOWN_ORDER = "No Order matches the given query."
JOB = "notifications:send"
# Tells this lock from other users of advisory locks.
LOOK_SPACE = 7_020


class Recipient(msgspec.Struct, frozen=True):
    """A device, its user, and when a push may be shown there."""

    device_id: int
    user_id: int
    hours: Window | None = None


class Tokens(msgspec.Struct, frozen=True):
    total: int
    active: int


class NotificationService:
    """Writes pushes in the caller's transaction; `PushSender` delivers them, or the job that is deferred here."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def order_created(self, order_id: int, *, by_hand: bool = False) -> list[int]:
        """The staff who want to know of new orders get a push in their hours; the ids of those to be sent.

        Each device hears of an order once, `by_hand` once more. Raises NotFound.
        """
        order = await self._order(order_id)
        rows = (await self.session.execute(queries.STAFF_DEVICES)).all()
        recipients = [
            Recipient(row.id, row.user_id, Window.of(row.start_hour, row.end_hour)) for row in rows if row.wanted
        ]
        words = new_order_words(order.id, order.recipient_name, order.total)
        return await self._about(order, words, recipients, event=None if by_hand else order.first_event)

    async def missing(self) -> list[int]:
        """Pools that staff were told of while people held what is missing."""
        return list((await self.session.execute(stock.HELD)).scalars())

    async def pools_of(self, order_id: int) -> list[int]:
        """What an order's units came out of."""
        return list((await self.session.execute(stock.OF_ORDER, {"order": order_id})).scalars())

    async def low_stock(self, pool_ids: Sequence[int]) -> list[int]:
        """Staff who want to know hear which of these pools have fallen to the limit; ids of pushes to be sent.

        Once a fall, whoever looks however often; again when there was more than the limit in between.
        """
        values = {"pools": list(pool_ids), "limit": self.settings.low_stock_limit}
        if not pool_ids or not await self.session.scalar(stock.NEWS, values):
            return []
        await self.session.execute(stock.ONE_AT_A_TIME, {"space": LOOK_SPACE})
        await self.session.execute(stock.RISEN, values)
        fallen = (await self.session.execute(stock.FALLEN, values | {"look": uuid4()})).all()
        rows = (await self.session.execute(stock.STAFF_DEVICES)).all() if fallen else []
        recipients = [Recipient(row.id, row.user_id, Window.of(row.start_hour, row.end_hour)) for row in rows]
        ids: list[int] = []
        for found in fallen:
            data = {"type": "low_stock", "product_id": str(found.product_id), "stock": str(found.units)}
            told = {"data": data, "collapse": f"low-stock-{found.pool_id}", "event": None}
            words = low_stock_words(found.name, found.product_id, int(found.units), found.store)
            ids += await self._write(words, recipients, ORDER_LIFE, told)
        return ids

    async def order_moved(self, order_id: int) -> list[int]:
        """The customer gets a push of what the order is now, once for each move; the ids of those to be sent."""
        order = await self._order(order_id)
        words = move_words(order.id, order.status)
        settings = await PreferenceService(self.session).settings(None)
        wanted = settings.order_status_notifications
        if words is not None and words.kind == "payment_received":
            wanted = settings.payment_notifications
        if words is None or not wanted or order.user_id is None:
            return []
        rows = await self.session.execute(queries.DEVICES_OF, {"user": order.user_id})
        recipients = [Recipient(row.id, row.user_id, hours_of(settings)) for row in rows]
        return await self._about(order, words, recipients, event=order.last_event)

    async def write_test(self, user_id: int, title: str, body: str) -> list[int]:
        """A push to each of the caller's devices, at any hour: the caller asks for it. The caller sends them."""
        rows = await self.session.execute(queries.DEVICES_OF, {"user": user_id})
        words = Words("general", title or TEST_TITLE, body or TEST_BODY)
        values = {"data": {"type": "test"}, "collapse": f"test-{user_id}", "event": None}
        return await self._write(words, [Recipient(row.id, row.user_id) for row in rows], TEST_LIFE, values)

    async def queue(self, ids: list[int]) -> None:
        """Let a worker send these, when each is due."""
        if ids:
            await defer(self.session, JOB, ids=ids)

    async def history(self, user_id: int) -> list[Push]:
        """The newest first."""
        rows = await self.session.execute(queries.HISTORY, {"user": user_id, "limit": HISTORY})
        return [_shown(row) for row in rows]

    async def newest(self) -> list[Push]:
        """Anybody's, for staff."""
        return [_shown(row) for row in await self.session.execute(queries.NEWEST, {"limit": DEBUGGED})]

    async def tokens(self) -> Tokens:
        return Tokens(*(await self.session.execute(queries.TOKENS)).one())

    async def latest_order(self) -> LatestOrder | None:
        found = (await self.session.execute(queries.LATEST_ORDER)).one_or_none()
        return LatestOrder(*found) if found is not None else None

    async def delivered(self, message_id: str) -> None:
        """A push that was sent has arrived; an id that nobody knows changes nothing."""
        if message_id:
            await self.session.execute(queries.DELIVERED, {"message_id": message_id.rpartition("/")[2]})

    async def pushes_of(self, promo_id: int, day: dt.date) -> dict[str, int]:
        """How many pushes of a promotion are in which state, of one day."""
        rows = await self.session.execute(queries.PROMO_PUSHES, {"promo": promo_id, "day": day})
        return {str(state): int(count) for state, count in rows}

    async def _order(self, order_id: int) -> Any:
        order = (await self.session.execute(queries.ORDER, {"order": order_id})).one_or_none()
        if order is None:
            raise NotFound(UNKNOWN_ORDER)
        return order

    async def _about(self, order: Any, words: Words, recipients: Iterable[Recipient], event: int | None) -> list[int]:
        data = {"type": words.kind, "order_id": str(order.id), "status": str(order.status)}
        values = {"data": data, "collapse": f"order-{order.id}", "event": event}
        return await self._write(words, recipients, ORDER_LIFE, values)

    async def _write(
        self, words: Words, recipients: Iterable[Recipient], life: dt.timedelta, values: dict[str, Any]
    ) -> list[int]:
        now: dt.datetime = (await self.session.execute(queries.NOW)).scalar_one()
        said = {"kind": words.kind, "title": words.title, "body": words.body, **values}
        ids: list[int] = []
        for one in recipients:
            to = {"device": one.device_id, "user": one.user_id, **self._times(one.hours, now, life)}
            ids += (await self.session.execute(queries.WRITE, said | to)).scalars().all()
        return ids

    def _times(self, hours: Window | None, now: dt.datetime, life: dt.timedelta) -> dict[str, dt.datetime]:
        """Due inside the hours, and worth sending until they end."""
        if hours is None:
            return {"due_at": now, "expires_at": now + life}
        due_at = hours.next_open(now, self.settings.zone)
        return {"due_at": due_at, "expires_at": min(due_at + life, hours.next_close(due_at, self.settings.zone))}


def _shown(row: Any) -> Push:
    return Push(
        id=row.id,
        notification_type=row.notification_type,
        title=row.title,
        body=row.body,
        data=row.data,
        status=SHOWN[row.state],
        created_at=row.created_at,
        sent_at=row.sent_at,
    )
