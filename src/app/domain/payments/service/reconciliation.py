"""Bringing to an end what is unknown: told but not looked at, begun but not ended, or never told at all."""

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from app.clients.errors import ProviderError
from app.clients.mercadopago_answers import PaymentMissing
from app.domain.payments.models import Payment
from app.domain.payments.rules import MINUTE, next_check
from app.domain.payments.service.attempts import AttemptService
from app.domain.payments.service.desk import PaymentDesk
from app.domain.payments.service.inbox import Inbox
from app.domain.payments.service.refunds import RefundService
from app.errors import AppError, Refused

UNKNOWN_SECONDS = 60.0
TOLD_SECONDS = 20.0
# A payment that the provider denies for a day was never there.
PARKED_SECONDS = 24 * 3600.0
# What an outage of an hour leaves behind is a run's or two: a call takes a tenth of a second, and some go on at a time.
BATCH, ALL = 1000, 10_000
AT_ONCE = 5
RUN_SECONDS = 40.0

log = structlog.get_logger("app.payments")


class Reconciliation:
    """One run: bounded in time, over when the provider does not answer. Twice at once is as good as once."""

    def __init__(
        self,
        desk: PaymentDesk,
        *,
        seconds: float = RUN_SECONDS,
        unknown_seconds: float = UNKNOWN_SECONDS,
        everything: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`everything` asks about every payment that may still change, also before its time.

        Once it is `stopped`, nothing more is begun: another run goes on with the rest.
        """
        self.desk = desk
        self.unknown_seconds = unknown_seconds
        self.everything = everything
        self._stopped = stopped
        self._until = time.monotonic() + seconds
        self.done: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        """How many of each kind were brought to an end, or a step further."""
        told = min(TOLD_SECONDS, self.unknown_seconds)
        desk = self.desk
        async with desk.sessions() as session:
            resources = await Inbox(session).waiting(told, BATCH)
            attempts = await AttemptService(session, desk.settings).abandoned(self.unknown_seconds, BATCH)
            refunds = await RefundService(session, desk.settings).waiting(BATCH)
        await self._each("notifications", resources, self._told)
        await self._each("attempts", attempts, desk.resume)
        await self._each("refunds", refunds, self._refund)
        await self._each("payments", await self._due(), self._look)
        return self.done

    async def _each(self, kind: str, keys: Iterable[Any], work: Callable[[Any], Awaitable[Any]]) -> None:
        """The first alone: to a provider that was left alone a single call may go, and it decides about the others."""
        rest = iter(keys)
        await self._some(kind, islice(rest, 1), work)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._some(kind, rest, work))

    async def _some(self, kind: str, keys: Iterator[Any], work: Callable[[Any], Awaitable[Any]]) -> None:
        for key in keys:
            if self._stopped() or time.monotonic() > self._until or self.desk.client.breaker.is_open:
                return
            try:
                ended = await work(key)
            except (ProviderError, AppError, DBAPIError) as error:
                # One that the database refuses is not in the way of those that come after it.
                self.done["failed"] += 1
                log.warning("not_reconciled", kind=kind, key=key, reason=str(error))
            else:
                # Not in one statement with the wait: others count meanwhile.
                self.done[kind] += bool(ended)

    async def _told(self, resource: str) -> bool:
        return await look_at(self.desk, resource)

    async def _refund(self, refund_id: int) -> bool:
        async with self.desk.sessions() as session, session.begin():
            claim = await RefundService(session, self.desk.settings).take_up(refund_id)
        if claim is None:
            return False
        try:
            await self.desk.make_refund(claim)
        except Refused:
            return False
        return True

    async def _due(self) -> list[int]:
        """Orders whose payments are to be asked about: silence is no answer."""
        due = Payment.check_at.is_not(None) if self.everything else Payment.check_at <= func.clock_timestamp()
        limit = ALL if self.everything else BATCH
        found = select(Payment.order_id).where(due).order_by(Payment.check_at).limit(limit)
        async with self.desk.sessions() as session:
            return list((await session.execute(found)).scalars())

    async def _look(self, order_id: int) -> bool:
        news = await self.desk.look(order_id)
        async with self.desk.sessions() as session, session.begin():
            await schedule_check(session, order_id)
        return bool(news)


async def look_at(desk: PaymentDesk, resource: str) -> bool:
    """Read a payment that something was told of, and close what was told; whether it led to anything.

    Raises ProviderError; PaymentMissing until the provider has denied the payment for a day.
    """
    try:
        applied = await desk.read(resource)
        outcome, changed = applied.outcome, applied.changed
    except PaymentMissing:
        async with desk.sessions() as session:
            age = await Inbox(session).age(resource)
        if age < PARKED_SECONDS:
            raise
        outcome, changed = "unknown_payment", False
    async with desk.sessions() as session, session.begin():
        await Inbox(session).handled(resource, outcome)
    return changed


async def schedule_check(session: Any, order_id: int) -> None:
    """When the provider is asked again about an order's payment, by its age. Locked: a new page says so too."""
    payment = await session.scalar(select(Payment).where(Payment.order_id == order_id).with_for_update())
    if payment is None:
        return
    now: dt.datetime = await session.scalar(select(func.clock_timestamp()))
    pause = next_check(payment.status, now - payment.created_at)
    at = None if pause is None else now + max(pause, MINUTE)
    await session.execute(update(Payment).where(Payment.id == payment.id).values(check_at=at))
