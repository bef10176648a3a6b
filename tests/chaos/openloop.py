"""Load that does not wait for answers: requests are sent when they are due, however many are still unanswered.

A client that waits for its answer before it asks again slows down with the server and never shows what more would do.
"""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.chaos.flood import ANSWER_SECONDS, END, MOST_CONNECTIONS, Heard, Wave, whole
from tests.chaos.programs import ROOT


class Sample(msgspec.Struct, frozen=True):
    """One answer: `seconds` from when it was due until it was there; status 0 when it never came."""

    kind: str
    status: int
    seconds: float
    retry_after: bool
    due: float


class Ask(msgspec.Struct, frozen=True):
    """A request, ready to be sent."""

    kind: str
    content: bytes


def content_of(method: str, path: str, headers: dict[str, str], body: Any = None) -> bytes:
    sent = b"" if body is None else msgspec.json.encode(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(sent)}"]
    return "\r\n".join(lines).encode() + END + sent


class _Connection(asyncio.Protocol):
    """One request at a time; whoever has got an answer is free for the next."""

    def __init__(self, door: "_Door") -> None:
        self.door = door
        self.transport: Any = None
        self._buffer = b""
        self._answered: Callable[[int, bool], None] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self, content: bytes, answered: Callable[[int, bool], None]) -> None:
        self._answered, self._buffer = answered, b""
        self.transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._answered is None or (head := whole(self._buffer)) is None:
            return
        answered, self._answered = self._answered, None
        self.door.idle.append(self)
        answered(int(head[9:12]), b"\r\nretry-after:" in head)

    def connection_lost(self, _error: Exception | None) -> None:
        self.door.open -= 1
        if self in self.door.idle:
            self.door.idle.remove(self)
        if self._answered is not None:
            answered, self._answered = self._answered, None
            answered(0, False)


class _Door:
    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.host, self.port = str(parts.hostname), int(parts.port or 80)
        self.idle: list[_Connection] = []
        self.open = 0

    async def connection(self) -> _Connection:
        """Raises OSError."""
        while self.idle:
            found = self.idle.pop()
            if not found.transport.is_closing():
                return found
        if self.open >= MOST_CONNECTIONS:
            raise OSError("no more connections")
        self.open += 1
        try:
            _, made = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), self.host, self.port
            )
        except OSError:
            self.open -= 1
            raise
        return made


class Load:
    """Requests to some doors, one after the other."""

    def __init__(self, doors: Sequence[str]) -> None:
        self._addresses = list(doors)
        self._doors = [_Door(door) for door in doors]
        self._turn = 0
        self.samples: list[Sample] = []

    async def send(self, ask: Ask, due: float) -> Sample:
        """Sends it now; `due` is by the monotonic clock."""
        door = self._doors[self._turn % len(self._doors)]
        self._turn += 1
        answer: asyncio.Future[tuple[int, bool]] = asyncio.get_running_loop().create_future()

        def answered(status: int, retry_after: bool) -> None:
            if not answer.done():
                answer.set_result((status, retry_after))

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                connection = await door.connection()
                connection.ask(ask.content, answered)
                status, retry_after = await answer
        except (OSError, TimeoutError):
            status, retry_after = 0, False
        sample = Sample(ask.kind, status, time.monotonic() - due, retry_after, due)
        self.samples.append(sample)
        return sample

    async def closed(self, asks: Sequence[bytes], clients: int, seconds: float) -> float:
        """So many clients who each wait for their answer; successes a second."""
        heard = await self._flood(Wave(self._addresses, asks, seconds, self._turn, clients=clients))
        return sum(200 <= status < 300 for status in heard.statuses) / (max(heard.at) - min(heard.due))

    async def open(self, asks: Sequence[bytes], rate: float, seconds: float) -> None:
        """So many requests a second, evenly, answered or not; what came of them is in `samples` afterwards."""
        heard = await self._flood(Wave(self._addresses, asks, seconds, self._turn, rate=rate))
        rows = zip(heard.statuses, heard.later, heard.due, heard.at, strict=True)
        self.samples += [Sample("view", status, at - due, bool(later), due) for status, later, due, at in rows]

    async def _flood(self, wave: Wave) -> Heard:
        command = (sys.executable, "-m", "tests.chaos.flood")
        process = await create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
        try:
            told, _ = await process.communicate(msgspec.msgpack.encode(wave))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, "the crowd did not come to its end"
        heard = msgspec.msgpack.decode(told, type=Heard)
        assert not heard.missed, heard.missed
        return heard

    def close(self) -> None:
        for door in self._doors:
            for connection in list(door.idle):
                connection.transport.close()


def at(samples: Sequence[Sample], part: float) -> float:
    """The seconds within which a part of them were answered; 0 without any."""
    ordered = sorted(sample.seconds for sample in samples)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


def statuses(samples: Sequence[Sample]) -> dict[str, Counter[int]]:
    """How often each status, by kind."""
    found: dict[str, Counter[int]] = {}
    for sample in samples:
        found.setdefault(sample.kind, Counter())[sample.status] += 1
    return found
