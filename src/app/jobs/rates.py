"""Exchange rates follow their sources."""

from app.domain.cron.service import CronDesk
from app.jobs.queue import job
from app.jobs.work import Work


@job("rates:update", retries=2, housekeeping=True)
async def update_rates(work: Work) -> None:
    """Blue and official, unless a person keeps them. Fails when no source answers, and is tried again soon."""
    await CronDesk(work.sessions).update_dollar_rate(work.rate_updater)
