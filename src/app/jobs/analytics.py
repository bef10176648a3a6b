"""Statistics: noted changes are added to the sums."""

from app.domain.analytics.service import AnalyticsService
from app.jobs.queue import job
from app.jobs.work import Work

FOLDED_AT_ONCE = 20_000


@job("analytics:fold_sales", housekeeping=True)
async def fold_sales(work: Work) -> int:
    """What orders have changed since the last time; a reader adds what is not folded yet by itself."""
    done = 0
    while True:
        async with work.transaction() as session:
            folded = await AnalyticsService(session, work.settings).fold(FOLDED_AT_ONCE)
        done += folded
        if folded < FOLDED_AT_ONCE:
            return done
