"""Mails, one job each. Deferred by name with the id of what the mail is about; running twice sends once."""

from collections.abc import Awaitable, Callable

from app.clients.errors import ProviderError
from app.clients.smtp import SmtpClient
from app.domain.email.rules.kinds import OrderKind
from app.domain.email.service.mails import MailService, Outgoing
from app.domain.email.service.reminders import ReminderService
from app.jobs.queue import job
from app.jobs.work import Work

# The mail itself says when it is not worth another try: after two days, or with its code.
RETRIES = 300
Take = Callable[[MailService], Awaitable[Outgoing | None]]


@job("send_code_mail", retries=RETRIES)
async def send_code_mail(work: Work, code_id: int) -> str:
    """The code is not among the arguments: it is made again for the mail."""
    return await _send(work, lambda mails: mails.code(code_id))


@job("send_order_mail", retries=RETRIES)
async def send_order_mail(work: Work, order_id: int, kind: OrderKind, occurrence: int = 0) -> str:
    """`occurrence` tells several wanted mails of a kind about one order apart: staff may announce a shipping again."""
    return await _send(work, lambda mails: mails.order(order_id, kind, occurrence))


@job("send_reminder_mail", retries=RETRIES)
async def send_reminder_mail(work: Work, cart_id: int, occurrence: int = 0) -> str:
    """A reminder of a cart that was left; `occurrence` is how many its owner has got about it."""
    return await _send(work, lambda mails: mails.reminder(cart_id, occurrence))


@job("send_webhook_mail", retries=RETRIES)
async def send_webhook_mail(work: Work, webhook_id: int, occurrence: int) -> str:
    """Staff are told that a receiver of webhooks gets nothing more; `occurrence` is when that was, in seconds."""
    return await _send(work, lambda mails: mails.webhook(webhook_id, occurrence))


@job("email:remind", housekeeping=True)
async def remind(work: Work) -> int:
    """Owners of carts that were left are reminded, if the shop wants that; how many."""
    async with work.transaction() as session:
        return await ReminderService(session, work.settings).remind()


@job("email:forget_old", housekeeping=True)
async def forget_old(work: Work) -> int:
    """Mails are kept for a while, for people who ask what became of theirs."""
    async with work.transaction() as session:
        return await MailService(session, work.settings).forget()


async def _send(work: Work, take: Take) -> str:
    async with work.transaction() as session:
        mail = await take(MailService(session, work.settings))
    if mail is None:
        return "nothing to send"
    try:
        await SmtpClient.from_settings(work.settings).send(mail.message)
    except ProviderError as error:
        if await _note_failure(work, mail, error):
            raise
        return "not sent"
    # Not `work.transaction`: the mail is sent, and stays sent when this run was meanwhile given to another worker.
    async with work.sessions() as session, session.begin():
        await MailService(session, work.settings).note_sent(mail)
    return "sent"


async def _note_failure(work: Work, mail: Outgoing, error: ProviderError) -> bool:
    """Whether the mail is to be tried again."""
    async with work.sessions() as session, session.begin():
        return await MailService(session, work.settings).note_failure(mail, error)
