"""Pictures that no product shows any more are removed."""

from app.domain.catalog.service.pictures import LOCAL, REMOVE, PictureStore
from app.jobs.queue import job
from app.jobs.work import Work


@job(REMOVE, housekeeping=True)
async def remove_picture(work: Work, host: str, key: str) -> bool:
    """Whether one was removed. What a product shows, again or still, stays."""
    async with PictureStore(work.settings, work.sessions) as store:
        async with work.transaction() as session:
            if host == LOCAL:
                return await store.remove_file(session, key)
            shown = await store.is_shown(session, key)
        return not shown and await store.destroy(key)
