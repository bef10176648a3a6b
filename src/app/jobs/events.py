"""Events get their numbers after the commit, by one writer at a time, and go out from there."""

import asyncio

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.events.service import EventService
from app.domain.webhooks.service.outbox import WebhookOutbox
from app.jobs.queue import job
from app.jobs.work import Work

BATCH = 500
MOST_BATCHES = 20
PROMOS = 200
# A look is one statement on a table that is nearly always empty.
POLL_SECONDS = 0.25
PAUSE_SECONDS = 2.0

log = structlog.get_logger("app.events")


async def number_batch(sessions: async_sessionmaker[AsyncSession]) -> int:
    """Number what waits, up to a batch, and write a message for each receiver of it; how many events.

    In one transaction: an event has its messages when it has its number, and once. None when nothing waits, and none
    while somebody else does so.
    """
    async with sessions() as session, session.begin():
        service = EventService(session)
        if not await service.waits():
            return 0
        numbers = await service.number(BATCH)
        if numbers:
            await WebhookOutbox(session).add(numbers)
        return len(numbers)


async def relay(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Number events as they are committed, until cancelled. Each worker does this; the lock lets one at a time."""
    while True:
        try:
            done = await number_batch(sessions)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("events_not_numbered", error=type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        except Exception:
            log.exception("events_not_numbered")
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        if done < BATCH:
            await asyncio.sleep(POLL_SECONDS)


@job("events:number", housekeeping=True)
async def number(work: Work) -> int:
    """The same by the clock, should a worker's own watch have ended."""
    numbered = 0
    for _ in range(MOST_BATCHES):
        done = await number_batch(work.sessions)
        numbered += done
        if done < BATCH:
            break
    return numbered


@job("events:tell_promos", housekeeping=True)
async def tell_promos(work: Work) -> int:
    """Starts and ends of flash promotions, which the clock alone brings about."""
    async with work.transaction() as session:
        return await EventService(session).tell_promos(PROMOS)
