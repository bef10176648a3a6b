"""Messages to receivers go out by one run at a time, wherever it runs; what is due again wakes it."""

from app.clients.webhooks import WebhookClient
from app.domain.webhooks.rules.addresses import Address, is_public
from app.domain.webhooks.service.outbox import DELIVER, WebhookOutbox
from app.domain.webhooks.service.sealing import Seals
from app.domain.webhooks.service.sending import WebhookSender
from app.jobs.queue import job
from app.jobs.work import Work

# With the last tries' time it stays within the job's own limit.
RUN_SECONDS = 35.0


def _anywhere(_address: Address) -> bool:
    return True


@job(DELIVER, housekeeping=True)
async def deliver(work: Work) -> int:
    """Everything that is due; how many tries. What comes due meanwhile goes along."""
    allowed = _anywhere if work.settings.webhook_private else is_public
    async with WebhookClient(allowed=allowed) as client:
        tried = await WebhookSender(work.sessions, client, Seals(work.settings)).run(RUN_SECONDS)
    async with work.transaction() as session:
        await WebhookOutbox(session).wake_if_due()
    return tried


@job("webhooks:wake", housekeeping=True)
async def wake(work: Work) -> None:
    """Retries come due by the clock."""
    async with work.transaction() as session:
        await WebhookOutbox(session).wake_if_due()


@job("webhooks:forget", housekeeping=True)
async def forget(work: Work) -> int:
    """Deliveries are kept for as long as the events that they told of."""
    async with work.transaction() as session:
        return await WebhookOutbox(session).forget(days=work.settings.event_days, limit=20_000)


@job("webhooks:reseal", housekeeping=True)
async def reseal(work: Work) -> int:
    """Secrets sealed with a key that is on its way out are sealed with the present one; how many."""
    async with work.transaction() as session:
        return await WebhookOutbox(session).reseal(Seals(work.settings))
