"""A client that wants an answer: it asks again with the same key until it has a verdict, and writes everything down."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx

from app.clients.trust import trusted
from tests.chaos.journal import Call, Journal

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
# Shorter than the server keeps an idle connection: one that is closed as it is used again is no answer.
IDLE_SECONDS = 2.0
LIMITS = httpx.Limits(max_connections=300, max_keepalive_connections=300, keepalive_expiry=IDLE_SECONDS)
TRIES = 40
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 1.0
TROUBLE = (httpx.TransportError,)


class Client:
    """Goes from door to door. `statuses` counts every answer and every failure of the transport by its name."""

    def __init__(self, doors: Sequence[str], journal: Journal, *, tries: int = TRIES) -> None:
        self.doors = list(doors)
        self.journal = journal
        self.tries = tries
        self.statuses: Counter[str] = Counter()
        # What an answer of the server's own fault said: there should be none.
        self.crashes: list[str] = []
        self.refused_without_retry_after = 0
        # When each success came, by the monotonic clock, and how long its last try took.
        self.successes: list[tuple[float, float]] = []
        self.turn = 0
        self._http = [
            httpx.AsyncClient(verify=trusted(), base_url=door, timeout=TIMEOUT, limits=LIMITS) for door in self.doors
        ]

    async def close(self) -> None:
        for http in self._http:
            await http.aclose()

    def next_door(self) -> int:
        """The number of the door whose turn it is; the one after it is the next."""
        number, self.turn = self.turn, (self.turn + 1) % len(self.doors)
        return number

    async def send(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> httpx.Response:
        """One request at the next door. Raises httpx.TransportError."""
        begun = time.monotonic()
        try:
            answer = await self._http[self.next_door()].request(method, path, headers=headers, json=body)
        except httpx.TransportError as error:
            self.statuses[type(error).__name__] += 1
            raise
        self.statuses[str(answer.status_code)] += 1
        if answer.status_code == 500:
            self.crashes.append(f"{method} {path}: {answer.text[:200]}")
        if answer.status_code in {429, 503} and "retry-after" not in answer.headers:
            self.refused_without_retry_after += 1
        if answer.is_success:
            self.successes.append((time.monotonic(), time.monotonic() - begun))
        return answer

    async def look(self, path: str, headers: dict[str, str]) -> httpx.Response | None:
        """A read, which nobody writes down; None when it could not be had."""
        try:
            return await self.send("GET", path, headers)
        except TROUBLE:
            return None

    async def want(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        user: int,
        headers: dict[str, str],
        body: Any = None,
        facts: dict[str, Any] | None = None,
        tries: int = 0,
    ) -> Call:
        """Ask until there is a verdict, each time with the same key; after so many tries it stays unknown."""
        key = str(uuid4())
        wanted = Call(
            number=0, kind=kind, user=user, method=method, path=path, key=key, facts=facts or {}, body=body, troubles=[]
        )
        return await self.ask(self.journal.intend(wanted), headers, tries or self.tries)

    async def ask(self, call: Call, headers: dict[str, str], tries: int) -> Call:
        """Go on asking for what the journal has as wanted."""
        keyed = {**headers, "Idempotency-Key": call.key}
        pause = PAUSE_SECONDS
        for _ in range(tries):
            call.tries += 1
            try:
                answer = await self.send(call.method, call.path, keyed, call.body)
            except TROUBLE as error:
                call.troubles.append(type(error).__name__)
            else:
                if is_verdict(answer):
                    call.status, call.answer = answer.status_code, content_of(answer)
                    return self.journal.end(call, "ack" if answer.is_success else "nack")
                call.troubles.append(str(answer.status_code))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        return self.journal.end(call, "unknown")


def is_verdict(answer: httpx.Response) -> bool:
    """Whether the shop has decided. A 5xx leaves open what was done; a 409 that says when to ask again does too."""
    if answer.status_code >= 500 or answer.status_code == 429:
        return False
    return not (answer.status_code == 409 and "retry-after" in answer.headers)


def content_of(answer: httpx.Response) -> Any:
    return answer.json() if answer.content else {}
