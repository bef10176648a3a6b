"""From something that happened to a mail, and from the mail server's answer to its end.

Sending lies between two transactions: the first takes the mail and says what is to be sent, the second records what
became of it. The mail's own row keeps the two together, and its Message-ID, however often it is tried.
"""

from typing import Any
from uuid import uuid4

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.errors import NotConfigured, OutcomeUnknown, ProviderError, Unavailable
from app.clients.smtp_answers import AddressRefused, CredentialsRefused, ServerUnfit
from app.clients.smtp_messages import Message, sender_of
from app.domain.accounts.service.codes import CodeService
from app.domain.email import queries
from app.domain.email.rules import kinds, unsubscribing
from app.domain.email.rules.blocks import Letter, as_html, as_text
from app.domain.email.rules.kinds import KIND_OF_PURPOSE, MARKETING, Kind, OrderKind
from app.domain.email.rules.letters import (
    CartSheet,
    Line,
    OrderSheet,
    code_letter,
    order_letter,
    reminder_letter,
    webhook_letter,
)
from app.settings import Settings

log = structlog.get_logger("app.mail")

# Worth another try, sooner or later.
_PASSING = (Unavailable, OutcomeUnknown, NotConfigured, CredentialsRefused, ServerUnfit)
DEFAULT_SHOP = "Relámpago"


class MailBusy(RuntimeError):
    """Somebody else is sending this mail: to be looked at again when that has ended, one way or the other."""


class MailHalted(RuntimeError):
    """The mail server refused our credentials; nothing is tried for a while."""


class Draft(msgspec.Struct, frozen=True):
    """What is to be said to whom; the first three fields say which mail it is."""

    kind: Kind
    reference: int
    occurrence: int
    recipient: str
    user_id: int | None
    letter: Letter


class Outgoing(msgspec.Struct, frozen=True):
    """A mail that is ours to send, for the `attempts`-th time."""

    id: int
    attempts: int
    message: Message


class MailService:
    """Writes and takes mails in the caller's transaction."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings

    async def code(self, code_id: int) -> Outgoing | None:
        """The mail of a code; None when it was sent, or the code no longer holds. Raises MailBusy and MailHalted."""
        found = await CodeService(self.session, self.settings).reveal(code_id)
        if found is None:
            values = {"reference": code_id, "kinds": list(kinds.CODE_KINDS), "error": "the code no longer holds"}
            await self.session.execute(queries.EXPIRE_CODE, values)
            return None
        kind = KIND_OF_PURPOSE[found.purpose]
        letter = code_letter(kind, found.code, found.expires_at.astimezone(self.settings.zone))
        return await self._take(Draft(kind, code_id, 0, found.email, found.user_id, letter))

    async def order(self, order_id: int, kind: OrderKind, occurrence: int) -> Outgoing | None:
        """The mail of something that happened to an order. None when it was sent. Raises MailBusy and MailHalted."""
        order = await self._order(order_id)
        if order is None:
            return None
        letter = order_letter(kind, order, self.settings.frontend_url)
        return await self._take(Draft(kind, order_id, occurrence, order.recipient, order.user_id, letter))

    async def reminder(self, cart_id: int, occurrence: int) -> Outgoing | None:
        """The mail about a cart that was left; None when it was sent, or nobody is to be reminded any more."""
        cart = await self._cart(cart_id)
        if cart is None:
            return None
        letter = reminder_letter(cart, self.settings.frontend_url)
        return await self._take(Draft("cart_reminder", cart_id, occurrence, cart.recipient, cart.user_id, letter))

    async def webhook(self, webhook_id: int, occurrence: int) -> Outgoing | None:
        """The mail to staff about a receiver that was given up; None when it was sent, or it is on again."""
        row = (await self.session.execute(queries.WEBHOOK, {"id": webhook_id})).one_or_none()
        if row is None:
            return None
        letter = webhook_letter(row.url, row.disabled_reason)
        return await self._take(Draft("webhook_disabled", webhook_id, occurrence, row.email, row.user_id, letter))

    async def note_sent(self, mail: Outgoing) -> None:
        """The mail server has it."""
        await self.session.execute(queries.SENT, {"id": mail.id})
        await self.go_on()

    async def note_failure(self, mail: Outgoing, error: ProviderError) -> bool:
        """What the failure means for the mail, its address and all other mails; whether it is to be tried again."""
        if isinstance(error, AddressRefused):
            await self.session.execute(queries.BOUNCED, {"address": mail.message.to, "detail": error.message})
        if isinstance(error, CredentialsRefused):
            await self._halt(error.message)
        age = await self.session.scalar(queries.SENDING, {"id": mail.id, "attempts": mail.attempts})
        if age is None:
            return False
        few = isinstance(error, ServerUnfit)
        again = isinstance(error, _PASSING) and kinds.is_worth_trying(age, mail.attempts, few=few)
        values = {"id": mail.id, "status": "queued" if again else "failed", "error": error.message}
        await self.session.execute(queries.FAILED, values)
        if not again:
            log.error("mail_failed", mail=mail.id, attempts=mail.attempts, reason=error.message)
        return again

    async def go_on(self) -> None:
        """The credentials are good: what waited for them is tried again."""
        await self.session.execute(queries.GO_ON)

    async def forget(self, *, limit: int = 5000) -> int:
        """Delete what is of no use any more; how many mails."""
        await self.session.execute(queries.FORGET_BOUNCES, {"days": kinds.BOUNCED_DAYS})
        values = {"marketing": list(MARKETING), "days": kinds.KEEP_DAYS, "marketing_days": kinds.KEEP_MARKETING_DAYS}
        done = await self.session.execute(queries.FORGET, {**values, "limit": limit})
        return int(getattr(done, "rowcount", 0))

    async def _take(self, draft: Draft) -> Outgoing | None:
        if reason := await self.session.scalar(queries.HALTED):
            raise MailHalted(reason)
        which = {"kind": draft.kind, "reference": draft.reference, "occurrence": draft.occurrence}
        said = {"subject": draft.letter.subject, "message_id": new_message_id(self.settings)}
        row = {**which, **said, "recipient": draft.recipient, "user_id": draft.user_id}
        if await self._is_unwanted(draft):
            await self.session.execute(queries.SUPPRESS, row)
            return None
        taken = (await self.session.execute(queries.CLAIM, {**row, "busy_seconds": kinds.BUSY_SECONDS})).one_or_none()
        if taken is None:
            if await self.session.scalar(queries.STATUS, which) == "sending":
                raise MailBusy(f"{draft.kind} {draft.reference}")
            return None
        mail_id, message_id, attempts = taken
        url = self._unsubscribe_url(mail_id) if draft.kind in MARKETING else ""
        message = message_of(
            draft.letter, self.settings, to=draft.recipient, message_id=message_id, unsubscribe_url=url
        )
        return Outgoing(mail_id, attempts, message)

    async def _is_unwanted(self, draft: Draft) -> bool:
        """Whether the address bounced, or its owner wants no such mails. No address wants none."""
        values = {"address": draft.recipient, "user_id": draft.user_id, "bounced_days": kinds.BOUNCED_DAYS}
        found = await self.session.scalar(queries.IS_UNWANTED, {**values, "marketing": draft.kind in MARKETING})
        return not draft.recipient or bool(found)

    def _unsubscribe_url(self, mail_id: int) -> str:
        token = unsubscribing.token_of(self.settings.secret_key, mail_id)
        return f"{self.settings.public_url}{unsubscribing.PATH}{token}/"

    async def _halt(self, reason: str) -> None:
        values = {"reason": reason, "minutes": kinds.HALT_MINUTES}
        if await self.session.scalar(queries.HALT, values) is not None:
            log.error("mail_credentials_refused", reason=reason, minutes=kinds.HALT_MINUTES)

    async def _order(self, order_id: int) -> OrderSheet | None:
        row: Any = (await self.session.execute(queries.ORDER, {"id": order_id})).one_or_none()
        if row is None:
            return None
        lines = [Line(*line) for line in await self.session.execute(queries.LINES, {"id": order_id})]
        names = [name for name in OrderSheet.__struct_fields__ if name != "lines"]
        return OrderSheet(**dict(zip(names, row, strict=True)), lines=lines)

    async def _cart(self, cart_id: int) -> CartSheet | None:
        row = (await self.session.execute(queries.CART, {"id": cart_id})).mappings().one_or_none()
        if row is None:
            return None
        lines = [Line(*line) for line in await self.session.execute(queries.CART_LINES, {"id": cart_id})]
        return CartSheet(**row, lines=lines)


def message_of(letter: Letter, settings: Settings, *, to: str, message_id: str, unsubscribe_url: str = "") -> Message:
    """A letter on its way to somebody, in both forms."""
    shop = sender_of(settings.mail_from).display_name or DEFAULT_SHOP
    return Message(
        to=to,
        subject=letter.subject,
        text=as_text(letter, shop, unsubscribe_url),
        html=as_html(letter, shop, unsubscribe_url),
        message_id=message_id,
        unsubscribe_url=unsubscribe_url,
    )


def new_message_id(settings: Settings) -> str:
    """A Message-ID that no other mail has."""
    return f"<{uuid4().hex}@{sender_of(settings.mail_from).domain}>"
