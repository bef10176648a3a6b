"""What has to be tidied now and then. Nobody waits for any of it: time is a predicate wherever it decides something."""

import structlog
from sqlalchemy import text

from app.domain.inventory.service import StockService
from app.http.idempotency import FORGET
from app.jobs.queue import announced_jobs, job
from app.jobs.service import QueueService
from app.jobs.work import Work

log = structlog.get_logger("app.jobs")

# A token says itself that it is over; its row tells nothing more. The day covers clocks that disagree.
_FORGET_TOKENS = text("""
    DELETE FROM refresh_tokens WHERE jti IN (
        SELECT jti FROM refresh_tokens WHERE expires_at < now() - interval '1 day' LIMIT 10000 FOR UPDATE SKIP LOCKED)
""")


# A row tells nothing once its window has passed; the hour covers what runs at this moment.
_FORGET_HITS = text("""
    DELETE FROM throttle WHERE key IN (
        SELECT key FROM throttle WHERE at + span < now() - interval '1 hour' LIMIT 10000 FOR UPDATE SKIP LOCKED)
""")
# A code holds for minutes; how often one was asked for and tried is counted over a day.
_FORGET_CODES = text("""
    DELETE FROM verification_codes WHERE id IN (
        SELECT id FROM verification_codes WHERE created_at < now() - interval '2 days'
         LIMIT 10000 FOR UPDATE SKIP LOCKED)
""")


@job("upkeep:rescue_stalled", housekeeping=True)
async def rescue_stalled(work: Work) -> int:
    """Jobs whose worker has died run again; one that keeps dying with its workers is given up."""
    async with work.transaction() as session:
        rescued = await QueueService(session).rescue()
    if rescued.retried:
        log.warning("jobs_rescued", jobs=list(rescued.retried))
    if rescued.given_up:
        log.error("jobs_given_up", jobs=list(rescued.given_up))
    return len(rescued.retried) + len(rescued.given_up)


@job("upkeep:remove_old_jobs", housekeeping=True)
async def remove_old_jobs(work: Work) -> int:
    """Finished jobs are kept for a while, for people to look at."""
    housekeeping = [one.name for one in announced_jobs() if one.housekeeping]
    async with work.transaction() as session:
        return await QueueService(session).remove_old(housekeeping)


@job("upkeep:sweep_expired_holds", housekeeping=True)
async def sweep_expired_holds(work: Work) -> int:
    """Units of holds whose time is over go back to their slots; buyers see them as free already."""
    async with work.transaction() as session:
        return await StockService(session).sweep_expired(limit=2000)


@job("upkeep:settle_closed_pools", housekeeping=True)
async def settle_closed_pools(work: Work) -> int:
    """What a finished promotion did not sell goes back to its store's stock."""
    async with work.transaction() as session:
        return await StockService(session).settle_closed_pools(limit=200)


@job("upkeep:forget_expired_tokens", housekeeping=True)
async def forget_expired_tokens(work: Work) -> int:
    """Refresh tokens that nobody can use any more."""
    async with work.transaction() as session:
        return int(getattr(await session.execute(_FORGET_TOKENS), "rowcount", 0))


@job("upkeep:forget_hits", housekeeping=True)
async def forget_hits(work: Work) -> int:
    """Counts of clients that have not called for a whole window."""
    async with work.transaction() as session:
        return int(getattr(await session.execute(_FORGET_HITS), "rowcount", 0))


@job("upkeep:forget_keys", housekeeping=True)
async def forget_keys(work: Work) -> int:
    """Answers to idempotency keys are kept for three days; then a key is a new request."""
    async with work.transaction() as session:
        return int(getattr(await session.execute(FORGET), "rowcount", 0))


@job("upkeep:forget_old_codes", housekeeping=True)
async def forget_old_codes(work: Work) -> int:
    """Codes by mail that count for nothing any more."""
    async with work.transaction() as session:
        return int(getattr(await session.execute(_FORGET_CODES), "rowcount", 0))
