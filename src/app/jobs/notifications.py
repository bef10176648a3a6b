"""Pushes leave from here, in pieces, outside of transactions."""

import time

import structlog

from app.domain.devices.service.devices import DeviceService
from app.domain.inventory.service import StockService
from app.domain.notifications.service.notifications import NotificationService
from app.domain.notifications.service.promos import PromoPushService, give_up_lost, slices
from app.domain.notifications.service.sending import Scope
from app.jobs.queue import defer, job
from app.jobs.work import Work

SEND_SECONDS = 300
# A run that is cut off leaves pushes of which nobody knows: a long range is passed on long before.
EXPAND_SECONDS = 120.0
# Less than the time to the next sweep, so that they do not fill the worker.
SWEEP_SECONDS = 14.0
# Lowered pools that one look takes; the next one takes the rest.
MOST_POOLS = 10_000

log = structlog.get_logger("app.jobs")


@job("send_push_batch", seconds=SEND_SECONDS, housekeeping=True)
async def send_push_batch(work: Work, promo_id: int | None = None, first: int = 0, last: int = 0) -> int:
    """Push a promotion to the users of these day rows; without a promotion, whatever is due. How many were sent.

    A push that was claimed is never claimed again, so that twice is once.
    """
    if promo_id is None:
        return (await work.pushes.deliver(work.sessions, Scope()))["sent"]
    sent, until = 0, time.monotonic() + EXPAND_SECONDS
    for start, end in slices(first, last):
        async with work.transaction() as session:
            if time.monotonic() > until:
                await defer(session, "send_push_batch", promo_id=promo_id, first=start, last=last)
                break
            await PromoPushService(session, work.settings).expand(promo_id, start, end)
        sent += (await work.pushes.deliver(work.sessions, Scope(promo=promo_id, first=start, last=end)))["sent"]
    return sent


@job("notifications:sweep", seconds=SEND_SECONDS, housekeeping=True)
async def sweep(work: Work) -> int:
    """Give up pushes whose sender died, take up day rows whose job was lost, send what is due again."""
    async with work.transaction() as session:
        lost = await give_up_lost(session)
        for left in await PromoPushService(session, work.settings).left_behind():
            await defer(
                session,
                "send_push_batch",
                queueing_lock=f"send_push_batch:{left.promo_id}",
                promo_id=left.promo_id,
                first=left.first,
                last=left.last,
            )
    if lost:
        log.warning("pushes_unknown", count=lost)
    return (await work.pushes.deliver(work.sessions, Scope(), seconds=SWEEP_SECONDS))["sent"]


@job("notifications:send", seconds=SEND_SECONDS)
async def send(work: Work, ids: list[int]) -> int:
    """These pushes, as far as they are due; how many were sent."""
    return (await work.pushes.deliver(work.sessions, Scope(ids=ids)))["sent"]


@job("notifications:device_ready", housekeeping=True)
async def device_ready(work: Work, user_id: int) -> int:
    """A user's device can be reached: promotions of today that found none are pushed to it."""
    async with work.transaction() as session:
        return await PromoPushService(session, work.settings).take_up_again(user_id)


@job("notifications:order_created")
async def order_created(work: Work, order_id: int) -> int:
    """Staff hear of a new order, and of what it has made scarce; how many pushes."""
    async with work.transaction() as session:
        service = NotificationService(session, work.settings)
        ids = await service.order_created(order_id) + await service.low_stock(await service.pools_of(order_id))
        await service.queue(ids)
    return len(ids)


@job("notifications:watch_stock", housekeeping=True)
async def watch_stock(work: Work) -> int:
    """Staff hear of what has become scarce by holds, their own writing, orders that changed; how many pushes."""
    async with work.transaction() as session:
        service = NotificationService(session, work.settings)
        pools = await StockService(session).to_look_at(MOST_POOLS)
        ids = await service.low_stock([*pools, *await service.missing()])
        await service.queue(ids)
    return len(ids)


@job("notifications:order_moved")
async def order_moved(work: Work, order_id: int) -> int:
    """A customer hears what an order is now; how many devices."""
    async with work.transaction() as session:
        service = NotificationService(session, work.settings)
        ids = await service.order_moved(order_id)
        await service.queue(ids)
    return len(ids)


@job("notifications:forget_old", housekeeping=True)
async def forget_old_rows(work: Work) -> int:
    """Devices that are of no use are kept for half a year; logs of pushes leave by the month."""
    async with work.transaction() as session:
        return await DeviceService(session).forget()
