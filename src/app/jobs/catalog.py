"""Jobs of the catalogue."""

from app.domain.catalog.service.upkeep import CatalogueUpkeep
from app.jobs.queue import job
from app.jobs.work import Work


@job("catalog:fold_counts", housekeeping=True)
async def fold_counts(work: Work) -> int:
    """The counts of products that writers have added become one row each."""
    async with work.transaction() as session:
        return await CatalogueUpkeep(session).fold_counts()


@job("catalog:forget_words", housekeeping=True)
async def forget_words(work: Work) -> int:
    """Searches forget words that are in no product any more."""
    async with work.transaction() as session:
        return await CatalogueUpkeep(session).forget_words()
