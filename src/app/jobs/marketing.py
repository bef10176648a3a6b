"""Discounts by weekday are marked as applied and removed, for people: prices follow the clock without it."""

from app.domain.marketing.service.scheduled import ScheduledDesk
from app.jobs.queue import job
from app.jobs.work import Work


@job("apply_scheduled_discounts", housekeeping=True)
async def apply_scheduled_discounts(work: Work) -> int:
    """How many discounts were marked; twice is once."""
    async with work.transaction() as session:
        done = await ScheduledDesk(session, work.settings).apply_due()
    return done.applied + done.removed
