"""Exchange rates follow their sources."""

from app.clients.dollar_rates import DollarRateClient
from app.domain.cron.service import CronDesk
from app.domain.rates.service import RateUpdater
from app.jobs.queue import job
from app.jobs.work import Work


@job("rates:update", retries=2, housekeeping=True)
async def update_rates(work: Work) -> None:
    """Blue and official, unless a person keeps them. Fails when no source answers, and is tried again soon."""
    async with DollarRateClient.from_settings(work.settings) as client:
        await CronDesk(work.sessions).update_dollar_rate(RateUpdater(work.sessions, client))
