"""Discounts by weekday are marked as applied and removed, for people: prices follow the clock without it."""

from app.domain.cron.service import CronDesk
from app.jobs.queue import job
from app.jobs.work import Work


@job("apply_scheduled_discounts", housekeeping=True)
async def apply_scheduled_discounts(work: Work) -> int:
    """How many discounts were marked; twice is once."""
    done = await CronDesk(work.sessions).apply_scheduled_discounts(work.settings)
    return done.applied + done.removed
