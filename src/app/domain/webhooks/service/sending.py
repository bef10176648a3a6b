"""Sending what is due: many at a time, few to each receiver, each try between two short transactions."""

import asyncio
import time
from collections import Counter
from typing import Protocol

import structlog
from cryptography.fernet import InvalidToken
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db import clock
from app.domain.webhooks.rules import signing
from app.domain.webhooks.service.outbox import Answered, Message, WebhookOutbox
from app.domain.webhooks.service.sealing import Seals

ROOM = 32
LOOK_SECONDS = 0.5

log = structlog.get_logger("app.webhooks")


class Sent(Protocol):
    """What a post came to."""

    @property
    def seconds(self) -> float: ...
    @property
    def status(self) -> int | None: ...
    @property
    def error(self) -> str: ...
    @property
    def retry_after(self) -> float | None: ...


class Poster(Protocol):
    """Posts; a failure is an outcome too."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Sent: ...


class WebhookSender:
    """One run of the job that delivers."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], poster: Poster, seals: Seals) -> None:
        self._sessions = sessions
        self._poster = poster
        self._seals = seals
        self._busy: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.sent = 0

    async def run(self, seconds: float) -> int:
        """Send until nothing is due, or until the time is over; how many were tried.

        What is under way at the end is waited for. A run that is cut off ends its tries and leaves their messages to
        whoever comes when their lease ends: they may arrive twice, under one id.
        """
        try:
            await self._run_until(time.monotonic() + seconds)
        finally:
            for task in self._tasks:
                task.cancel()
        return self.sent

    async def _run_until(self, until: float) -> None:
        while time.monotonic() < until:
            taken = await self._take()
            for message in taken:
                self._start(message)
            if not self._tasks:
                break
            if not taken:
                await asyncio.wait(self._tasks, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _take(self) -> list[Message]:
        room = ROOM - len(self._tasks)
        if not room:
            return []
        async with self._sessions() as session, session.begin():
            return await WebhookOutbox(session).take(room, self._busy)

    def _start(self, message: Message) -> None:
        self._busy[message.webhook_id] += 1
        task = asyncio.create_task(self._send(message))
        self._tasks.add(task)

        def done(ended: asyncio.Task[None]) -> None:
            self._tasks.discard(ended)
            self._busy[message.webhook_id] -= 1
            self.sent += 1
            if not ended.cancelled() and (error := ended.exception()) is not None:
                # The message is somebody's again when its lease ends.
                log.warning("webhook_try_not_noted", delivery=message.id, error=type(error).__name__)

        task.add_done_callback(done)

    async def _send(self, message: Message) -> None:
        answer = await self._answer(message)
        async with self._sessions() as session, session.begin():
            await WebhookOutbox(session).note(message, answer)

    async def _answer(self, message: Message) -> Answered:
        sealed = [message.secret, *([message.previous_secret] if message.previous_secret else [])]
        try:
            secrets = [self._seals.open(each) for each in sealed]
        except InvalidToken:
            return Answered(0.0, None, "the secret was sealed with another SECRET_KEY", None)
        body = message.body.encode()
        headers = signing.headers(secrets, message.message_id, int(clock.seconds()), body)
        sent = await self._poster.post(message.url, headers, body)
        return Answered(sent.seconds, sent.status, sent.error, sent.retry_after)
