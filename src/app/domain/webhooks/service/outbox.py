"""Messages on their way out: made of events, taken, sent, and what their receivers said. Promises nothing of order."""

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog
from cryptography.fernet import InvalidToken
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import clock
from app.domain.activity.service import ActivityService
from app.domain.webhooks import queries
from app.domain.webhooks.models import ERROR_LENGTH, WebhookAttempt
from app.domain.webhooks.rules import schedule
from app.domain.webhooks.service.sealing import Seals
from app.jobs.queue import defer

TRIAL = "webhook.test"
DELIVER = "webhooks:deliver"
# Longer than a try may take: whoever has a message for longer is dead.
LEASE_SECONDS = 45.0
# Of one receiver at a time.
EACH = 4

log = structlog.get_logger("app.webhooks")
_chance = secrets.SystemRandom()


class Message(msgspec.Struct, frozen=True):
    """A message that is ours to try until the lease ends."""

    id: int
    webhook_id: int
    message_id: str
    body: str
    attempts: int
    lease: dt.datetime
    url: str
    secret: bytes
    previous_secret: bytes | None


class Answered(msgspec.Struct, frozen=True):
    """What a try came to."""

    seconds: float
    status: int | None
    error: str
    retry_after: float | None


class WebhookOutbox:
    """Works in the caller's transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def add(self, numbers: Sequence[int]) -> int:
        """A message for each receiver that wants an event of these numbers; how many."""
        rows = (await self.session.execute(queries.WANTED, {"numbers": list(numbers)})).all()
        if not rows:
            return 0
        messages = [
            {
                "webhook_id": row.webhook_id,
                "message_id": f"evt_{row.id.hex}",
                "event_number": row.number,
                "event_type": row.type,
                "body": body_of(row.type, row.happened_at, row.data),
            }
            for row in rows
        ]
        return len(await self._insert(messages))

    async def add_trial(self, webhook_id: int, message_id: str, data: Mapping[str, Any]) -> int:
        """A message about nothing; its delivery's id."""
        body = body_of(TRIAL, clock.now(), data)
        message = {"webhook_id": webhook_id, "message_id": message_id, "event_type": TRIAL, "body": body}
        return (await self._insert([message]))[0]

    async def _insert(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        made = await self.session.execute(queries.ADD, {"rows": msgspec.json.encode(messages).decode()})
        await self.wake()
        return list(made.scalars())

    async def wake(self) -> None:
        """Somebody has something to send."""
        await defer(self.session, DELIVER, lock=DELIVER, queueing_lock=DELIVER)

    async def wake_if_due(self) -> bool:
        """What is to be tried again has come due."""
        due = bool(await self.session.scalar(queries.IS_DUE))
        if due:
            await self.wake()
        return due

    async def take(self, room: int, busy: Mapping[int, int]) -> list[Message]:
        """Up to so many due messages; `busy` is how many of each receiver are being sent already."""
        known = msgspec.json.encode({str(webhook_id): count for webhook_id, count in busy.items()}).decode()
        values = {"room": room, "busy": known, "each": EACH, "lease": LEASE_SECONDS}
        rows = await self.session.execute(queries.CLAIM, values)
        return [Message(**row) for row in rows.mappings()]

    async def note(self, message: Message, answer: Answered) -> None:
        """The try's end, and what it means for the message and for its receiver. Nothing for one that was deleted."""
        if (await self.session.execute(queries.HOLD, {"id": message.webhook_id})).first() is None:
            return
        tried = {"milliseconds": round(answer.seconds * 1000), "status": answer.status}
        error = answer.error[:ERROR_LENGTH]
        await self.session.execute(insert(WebhookAttempt).values(delivery_id=message.id, error=error, **tried))
        success = schedule.is_success(answer.status)
        pause = None if success else schedule.pause_after(message.attempts, _chance.random())
        state = "delivered" if success else "failed" if pause is None else "pending"
        said = {"status": answer.status, "error": error, "pause": pause or 0.0}
        values = {"id": message.id, "lease": message.lease, "state": state, **said}
        if (await self.session.execute(queries.FINISH, values)).first() is None:
            return  # somebody else has it by now
        if success:
            await self.session.execute(queries.SUCCEEDED, {"id": message.webhook_id})
        else:
            await self._note_failure(message.webhook_id, answer)

    async def _note_failure(self, webhook_id: int, answer: Answered) -> None:
        rest = schedule.rest_after(answer.status, answer.retry_after)
        values = {"id": webhook_id, "rest": rest, "days": schedule.FAILING_DAYS}
        hopeless = await self.session.scalar(queries.FAILED, values)
        if answer.status == schedule.GONE:
            await self._disable(webhook_id, "gone")
        elif hopeless:
            await self._disable(webhook_id, "failing")

    async def _disable(self, webhook_id: int, reason: schedule.Reason) -> None:
        """It gets nothing more; staff find it in the log, in its `disabled_reason` and in the mail that they get."""
        row = (await self.session.execute(queries.DISABLE, {"id": webhook_id, "reason": reason})).one_or_none()
        if row is None:
            return
        await self.cancel(webhook_id)
        log.error("webhook_disabled", webhook=webhook_id, reason=reason)
        await defer(self.session, "send_webhook_mail", webhook_id=webhook_id, occurrence=row.disabled_at)
        await ActivityService(self.session).record(
            actor_id=None,
            action="status_change",
            description=f"Webhook desactivado ({reason}): {row.url}",
            content_type="webhook",
            object_id=webhook_id,
            changes={"is_active": [True, False], "disabled_reason": ["", reason]},
        )

    async def cancel(self, webhook_id: int) -> None:
        """What waits for a receiver that gets nothing more."""
        await self.session.execute(queries.CANCEL, {"id": webhook_id})

    async def forget(self, *, days: int, limit: int) -> int:
        """Delete finished messages that are older than so many days, and secrets that have been followed; how many.

        0 days are for ever.
        """
        await self.session.execute(queries.END_PREVIOUS)
        if not days:
            return 0
        done = await self.session.execute(queries.FORGET, {"days": days, "limit": limit})
        return int(getattr(done, "rowcount", 0))

    async def reseal(self, seals: Seals) -> int:
        """Seal every secret with the present key; of how many subscriptions. One that no key opens stays as it is."""
        done = 0
        for row in (await self.session.execute(queries.SECRETS)).all():
            try:
                previous = seals.again(row.previous_secret) if row.previous_secret else None
                values = {"id": row.id, "secret": seals.again(row.secret), "previous": previous}
            except InvalidToken:
                log.exception("webhook_not_resealed", webhook=row.id)
                continue
            await self.session.execute(queries.RESEAL, values)
            done += 1
        return done


def body_of(kind: str, at: dt.datetime, data: Mapping[str, Any]) -> str:
    """The bytes of a message, made once: signatures are over them."""
    return msgspec.json.encode({"type": kind, "timestamp": at.astimezone(dt.UTC), "data": data}).decode()
