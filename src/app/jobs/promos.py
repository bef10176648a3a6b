"""When a promotion starts, and while it is on, its audience is told."""

import datetime as dt
import time

from app.domain.inventory.service import StockService
from app.domain.promos.service.audience import CHUNK, FIRST_CHUNK, AudienceService
from app.jobs.queue import job
from app.jobs.work import Work

JUST_STARTED = dt.timedelta(minutes=10)
# What is left of a huge audience is found by the next sweep.
NOTIFY_SECONDS = 240.0


@job("activate_and_notify_promos", housekeeping=True)
async def activate_and_notify_promos(work: Work) -> int:
    """Status follows the clock by itself; this tells of what has just started and settles what has ended."""
    async with work.transaction() as session:
        started = await AudienceService(session, work.settings).defer_active(JUST_STARTED)
    async with work.transaction() as session:
        return started + await StockService(session).settle_closed_pools(limit=200)


@job("notify_active_promos", housekeeping=True)
async def notify_active_promos(work: Work) -> None:
    """Whoever became eligible since, or was missed by a job that was lost, is found by a job for each promotion."""
    async with work.transaction() as session:
        await AudienceService(session, work.settings).defer_active()


@job("notify_promo", seconds=300, housekeeping=True)
async def notify_promo(work: Work, promo_id: int) -> int:
    """Everybody who is to hear of a promotion today and has not gets a day row; how many. Twice is once."""
    written, limit, until = 0, FIRST_CHUNK, time.monotonic() + NOTIFY_SECONDS
    while time.monotonic() < until:
        async with work.transaction() as session:
            chunk = await AudienceService(session, work.settings).notify(promo_id, limit)
        written += chunk.written
        if chunk.picked < limit:
            break
        limit = CHUNK
    return written
