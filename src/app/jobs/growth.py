"""Tables that grow by the month: new months are made ahead, old ones leave whole."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from app.db.failures import sqlstate_of
from app.db.growth import TABLES, GrowthService
from app.domain.promos.service.archive import ArchiveService
from app.jobs.queue import job
from app.jobs.work import Work

# Somebody holds the table; the next run asks again, and months are made long before they begin.
_HELD = {"55P03", "40P01"}
HOLDS_A_BATCH = 5000
MOST_BATCHES = 100

log = structlog.get_logger("app.jobs")


@job("growth:keep_months", seconds=240.0, housekeeping=True)
async def keep_months(work: Work) -> int:
    """Make what is missing, detach what is over and, unless it is to be kept, drop it; how many such steps.

    Each step is a transaction of its own: a run that was cut off is taken up by the next one.
    """
    done = 0
    for table, setting in TABLES.items():
        with _giving_way(table):
            done += await _make(work, table)
            done += await _detach(work, table, days=getattr(work.settings, setting))
            if work.settings.drop_detached:
                done += await _drop(work, table)
    # Last, since it may take long: months are there whatever becomes of it.
    for table in TABLES:
        with _giving_way(table):
            async with work.transaction() as session:
                await GrowthService(session, table).analyze()
    return done


@job("growth:archive_holds", seconds=240.0, housekeeping=True)
async def archive_holds(work: Work) -> int:
    """Holds that were not sold move to their archive `HOLD_DAYS` days after their end; how many. 0 is never."""
    days, moved = work.settings.hold_days, 0
    if not days:
        return 0
    async with work.transaction() as session:
        after: int | None = await ArchiveService(session).start()
    for _ in range(MOST_BATCHES):
        if after is None:
            break
        async with work.transaction() as session:
            await ArchiveService(session).make_months(after, days=days, limit=HOLDS_A_BATCH)
        async with work.transaction() as session:
            step = await ArchiveService(session).move(after, days=days, limit=HOLDS_A_BATCH)
        moved, after = moved + step.moved, step.after
    return moved


@contextmanager
def _giving_way(table: str) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError) as error:
        if sqlstate_of(error) not in _HELD:
            raise
        log.warning("months_not_kept", table=table, error=sqlstate_of(error))


async def _make(work: Work, table: str) -> int:
    async with work.transaction() as session:
        missing = await GrowthService(session, table).missing()
    for month in missing:
        async with work.transaction() as session:
            await GrowthService(session, table).make(month)
        log.info("month_made", table=table, month=str(month))
    return len(missing)


async def _detach(work: Work, table: str, *, days: int) -> int:
    done = 0
    while True:
        async with work.transaction() as session:
            name = await GrowthService(session, table).detach(days)
        if name is None:
            return done
        done += 1
        log.info("month_detached", table=table, name=name)


async def _drop(work: Work, table: str) -> int:
    async with work.transaction() as session:
        names = await GrowthService(session, table).detached()
    for name in names:
        async with work.transaction() as session:
            await GrowthService(session, table).drop(name)
        log.info("month_dropped", table=table, name=name)
    return len(names)
