"""A crowd that asks, as a program of its own: it shares no interpreter with anything that is measured beside it.

`python -m tests.chaos.flood` reads a Wave and writes what it has Heard. The sockets are worked by hand because each
request counts: at five times what the shop can bear, a client's own work must not be what slows it down.
"""

import random
import select
import socket
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec

# Beyond this many unanswered requests a client has no ports to spare; they count as lost.
MOST_CONNECTIONS = 4000
ANSWER_SECONDS = 10.0
END = b"\r\n\r\n"
LENGTH = b"content-length: "


class Wave(msgspec.Struct, frozen=True):
    """Either so many requests a second, answered or not, or so many clients who each wait for their answer."""

    doors: Sequence[str]
    asks: Sequence[bytes]
    seconds: float
    seed: int
    rate: float = 0.0
    clients: int = 0


class Heard(msgspec.Struct, frozen=True):
    """By answer: its status (0 when none came), whether it said when to come again, and when it was due and there."""

    statuses: Sequence[int]
    later: bytes
    due: Sequence[float]
    at: Sequence[float]
    # Why no answer came, and how often.
    missed: dict[str, int]


class _Line:
    """A connection, and the request on it."""

    __slots__ = ("buffer", "door", "due", "socket")

    def __init__(self, door: tuple[str, int]) -> None:
        self.door, self.due, self.buffer = door, 0.0, b""
        self.socket = socket.create_connection(door, timeout=1.0)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Flood:
    """All of its connections, and what was heard on them. Times are the monotonic clock's, one for all."""

    def __init__(self, doors: Sequence[str], asks: Sequence[bytes], seed: int) -> None:
        parts = [urlsplit(door) for door in doors]
        self._doors = [(str(part.hostname), int(part.port or 80)) for part in parts]
        self._asks, self._chance = asks, random.Random(seed)
        self._poll = select.epoll()
        self._lines: dict[int, _Line] = {}
        self._idle: dict[tuple[str, int], list[_Line]] = {door: [] for door in self._doors}
        self._turn = self._waiting = 0
        self.statuses, self.later = array("H"), bytearray()
        self.due, self.at = array("d"), array("d")
        self.missed: Counter[str] = Counter()

    def open(self, rate: float, seconds: float) -> None:
        """Requests are sent when they are due, however many are still unanswered."""
        begun, sent = time.monotonic(), 0
        while (now := time.monotonic()) < begun + seconds:
            while sent < (now - begun) * rate:
                self._ask(begun + sent / rate)
                sent += 1
            self._listen(0.002, self._rest)
        self._hear_out()

    def closed(self, clients: int, seconds: float) -> None:
        """Each answer is followed by the next request."""
        until = time.monotonic() + seconds

        def again(line: _Line) -> None:
            self._rest(line)
            if (now := time.monotonic()) < until:
                self._ask(now)

        for _ in range(clients):
            self._ask(time.monotonic())
        while time.monotonic() < until:
            self._listen(0.01, again)
        self._hear_out()

    def _hear_out(self) -> None:
        patience = time.monotonic() + ANSWER_SECONDS
        while self._waiting and time.monotonic() < patience:
            self._listen(0.01, self._rest)
        for line in self._lines.values():
            if line.due:
                self._miss(line.due, "no answer in time")
            line.socket.close()

    def _rest(self, line: _Line) -> None:
        self._idle[line.door].append(line)

    def _ask(self, due: float) -> None:
        door = self._doors[self._turn % len(self._doors)]
        self._turn += 1
        try:
            line = self._idle[door].pop() if self._idle[door] else self._connected(door)
            line.socket.send(self._chance.choice(self._asks))
        except OSError as error:
            self._miss(due, str(error))
        else:
            line.due = due
            self._waiting += 1

    def _connected(self, door: tuple[str, int]) -> _Line:
        """Raises OSError."""
        if len(self._lines) >= MOST_CONNECTIONS:
            raise OSError("no more connections")
        line = _Line(door)
        self._lines[line.socket.fileno()] = line
        self._poll.register(line.socket, select.EPOLLIN)
        return line

    def _listen(self, wait: float, then: Callable[[_Line], None]) -> None:
        for number, _ in self._poll.poll(wait):
            line = self._lines[number]
            try:
                data = line.socket.recv(1 << 18)
                why = "ended by the other side"
            except OSError as error:
                data, why = b"", str(error)
            if not data:
                self._lose(number, line, why)
            elif (head := whole(line.buffer + data)) is None:
                line.buffer += data
            else:
                self._note(line.due, int(head[9:12]), later=b"\r\nretry-after:" in head)
                self._waiting -= 1
                line.due, line.buffer = 0.0, b""
                then(line)

    def _lose(self, number: int, line: _Line, why: str) -> None:
        """A connection that is no more."""
        if line.due:
            self._miss(line.due, why)
            self._waiting -= 1
        elif line in self._idle[line.door]:
            self._idle[line.door].remove(line)
        self._poll.unregister(number)
        line.socket.close()
        del self._lines[number]

    def _miss(self, due: float, why: str) -> None:
        self.missed[why] += 1
        self._note(due, 0, later=False)

    def _note(self, due: float, status: int, *, later: bool) -> None:
        self.statuses.append(status)
        self.later.append(later)
        self.due.append(due)
        self.at.append(time.monotonic())

    def heard(self) -> Heard:
        return Heard(list(self.statuses), bytes(self.later), list(self.due), list(self.at), dict(self.missed))


def whole(answer: bytes) -> bytes | None:
    """An answer's head, in small letters; None while some of it is missing."""
    end = answer.find(END)
    if end < 0:
        return None
    head = answer[:end].lower()
    at = head.find(LENGTH)
    length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return head if len(answer) >= end + len(END) + length else None


def main() -> None:
    wave = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Wave)
    flood = Flood(wave.doors, wave.asks, wave.seed)
    if wave.clients:
        flood.closed(wave.clients, wave.seconds)
    else:
        flood.open(wave.rate, wave.seconds)
    sys.stdout.buffer.write(msgspec.msgpack.encode(flood.heard()))


if __name__ == "__main__":
    main()
