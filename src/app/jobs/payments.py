"""What payments leave to the worker: looks at what was told, money that goes back, pages to close, loose ends."""

from app.clients.errors import ProviderError
from app.db import clock
from app.domain.payments.service.inbox import Inbox
from app.domain.payments.service.reconciliation import Reconciliation, look_at
from app.domain.payments.service.refunds import RefundService
from app.jobs.queue import job
from app.jobs.work import Work


@job("payments:apply_event")
async def apply_event(work: Work, resource: str) -> str:
    """Something was told of a payment: the payment itself is read, and what it says is applied."""
    changed = await look_at(work.payments, resource)
    return "changed" if changed else "nothing new"


@job("payments:refund")
async def refund(work: Work, refund_id: int) -> str:
    """A refund that nobody waits for: money that came twice, or too late."""
    async with work.transaction() as session:
        claim = await RefundService(session, work.settings).take_up(refund_id)
    if claim is None:
        return "nothing to do"
    await work.payments.make_refund(claim)
    return "refunded"


@job("payments:close_preference")
async def close_preference(work: Work, preference_id: str) -> str:
    """Nobody should begin to pay what is paid. Who does gets it back, so a provider that says no is left alone."""
    try:
        await work.payments.client.close_preference(preference_id, clock.now())
    except ProviderError as error:
        if error.retryable or error.outcome_unknown:
            raise
        return "refused"
    return "closed"


@job("payments:reconcile", housekeeping=True)
async def reconcile(work: Work) -> int:
    """Everything that is unknown for more than a minute is brought to an end."""
    return sum((await Reconciliation(work.payments, stopped=work.stopping.is_set).run()).values())


@job("payments:forget_notifications", housekeeping=True)
async def forget_notifications(work: Work) -> int:
    """What the provider told of payments that nothing can happen to any more, and the keys of old refunds' requests."""
    async with work.transaction() as session:
        requests = await RefundService(session, work.settings).forget_requests()
        return requests + await Inbox(session).forget(limit=20_000)
