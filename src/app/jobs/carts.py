"""What carts become by silence is written down now and then. Nobody waits for it: readers go by the clock."""

from app.domain.carts.service.staff import StaffCartService
from app.domain.orders.service.abandoned import AbandonedOrders
from app.jobs.queue import job
from app.jobs.work import Work

LIMIT = 5000


@job("carts:identify", housekeeping=True)
async def identify(work: Work) -> int:
    """Carts, and orders that never were more than carts, which nobody has touched for long; how many."""
    async with work.transaction() as session:
        carts = await StaffCartService(session, work.settings).identify(limit=LIMIT)
    async with work.transaction() as session:
        return carts + await AbandonedOrders(session, work.settings).mark(temporary_only=True)


@job("carts:expire", housekeeping=True)
async def expire(work: Work) -> int:
    """Carts that nobody means any more; how many."""
    async with work.transaction() as session:
        return await StaffCartService(session, work.settings).expire(limit=LIMIT)
