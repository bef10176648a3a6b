"""Orders that nobody pays for end by themselves."""

from app.domain.orders.service.life import OrderLife
from app.jobs.queue import job
from app.jobs.work import Work

BATCH = 50
MOST_BATCHES = 20


@job("orders:expire_unpaid", housekeeping=True)
async def expire_unpaid(work: Work) -> int:
    """Cancel what was not paid in time, stock and coupon back; how many. Twice is once."""
    minutes, hours = work.settings.order_payment_minutes, work.settings.order_cash_hours
    expired = 0
    for _ in range(MOST_BATCHES):
        async with work.transaction() as session:
            gone = await OrderLife(session).expire_unpaid(BATCH, minutes=minutes, cash_hours=hours)
        expired += gone
        if gone < BATCH:
            break
    return expired
