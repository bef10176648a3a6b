"""Clients: several processes, each a loop over sockets that sends the next request when an answer is complete.

No HTTP library: parsing would cost more than the servers under test. What the clients themselves use is measured.
"""

import multiprocessing
import select
import socket
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

START_DELAY = 0.2
DRAIN_SECONDS = 30.0
_forks = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Attack:
    """What to send where: request number n is `head + tokens[n] + tails[n % len(tails)]`."""

    port: int
    head: bytes
    tokens: Sequence[bytes]
    tails: Sequence[bytes]
    clients: int
    processes: int
    warm_seconds: float
    seconds: float


@dataclass
class Outcome:
    """What came of it. Latencies in seconds, of answers within the measured window; `statuses` counts every answer."""

    latencies: array = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    sample: bytes = b""
    # Whether there were no requests left before the time was over, so that the rate says nothing.
    exhausted: bool = False

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0

    def join(self, other: "Outcome") -> None:
        self.latencies.extend(other.latencies)
        self.statuses.update(other.statuses)
        self.cpu_seconds += other.cpu_seconds
        self.sample = self.sample or other.sample
        self.exhausted = self.exhausted or other.exhausted


def run(attack: Attack) -> Outcome:
    """Send until the time is over or every request was sent."""
    start = time.monotonic() + START_DELAY
    pipes, workers = [], []
    for number in range(attack.processes):
        ours, theirs = _forks.Pipe(duplex=False)
        worker = _forks.Process(target=_work, args=(attack, number, start, theirs), daemon=True)
        worker.start()
        theirs.close()
        pipes.append(ours)
        workers.append(worker)
    whole = Outcome(seconds=attack.seconds)
    for pipe in pipes:
        whole.join(pipe.recv())
    for worker in workers:
        worker.join()
    return whole


def _work(attack: Attack, number: int, start: float, pipe: Connection) -> None:
    before = time.process_time()
    clients = len(range(number, attack.clients, attack.processes))
    outcome = _Client(attack, number, start).run(clients)
    outcome.cpu_seconds = time.process_time() - before
    pipe.send(outcome)
    pipe.close()


class _Client:
    """The connections of one process."""

    def __init__(self, attack: Attack, number: int, start: float) -> None:
        self.attack = attack
        self.requests = self._requests(number)
        self.start = start
        self.counted_from = start + attack.warm_seconds
        self.ends = self.counted_from + attack.seconds
        self.epoll = select.epoll()
        self.lines: dict[int, list[Any]] = {}
        self.outcome = Outcome()

    def _requests(self, number: int) -> Iterator[bytes]:
        attack = self.attack
        for n in range(number, len(attack.tokens), attack.processes):
            yield attack.head + attack.tokens[n] + attack.tails[n % len(attack.tails)]

    def run(self, clients: int) -> Outcome:
        while time.monotonic() < self.start:
            time.sleep(0.001)
        for _ in range(clients):
            self._send(self._connect(), time.monotonic())
        last = self.ends + DRAIN_SECONDS
        while self.lines and time.monotonic() < last:
            for number, _ in self.epoll.poll(1.0):
                self._read(number)
        for line in self.lines.values():
            self.outcome.statuses[0] += 1
            line[0].close()
        return self.outcome

    def _connect(self) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.attack.port), timeout=DRAIN_SECONDS)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def _send(self, line: socket.socket, now: float) -> None:
        """The next request on a connection, or its end."""
        request = next(self.requests, None) if now < self.ends else None
        if request is None:
            self.outcome.exhausted = self.outcome.exhausted or now < self.ends
            self._drop(line)
            return
        if line.fileno() not in self.lines:
            self.epoll.register(line.fileno(), select.EPOLLIN)
        self.lines[line.fileno()] = [line, now, b""]
        line.send(request)

    def _drop(self, line: socket.socket) -> None:
        if self.lines.pop(line.fileno(), None):
            self.epoll.unregister(line.fileno())
        line.close()

    def _read(self, number: int) -> None:
        entry = self.lines[number]
        line, sent, before = entry
        try:
            piece = line.recv(65536)
        except OSError:
            piece = b""
        answer = before + piece
        complete, stays = _complete(answer)
        if not complete and piece:
            entry[2] = answer
            return
        now = time.monotonic()
        self._count(answer if complete else b"", sent, now)
        if not stays or not piece:
            self._drop(line)
            # A server that closes after each answer is connected to anew within the next request's time.
            line = self._connect()
        self._send(line, now)

    def _count(self, answer: bytes, sent: float, now: float) -> None:
        status = int(answer[9:12]) if answer else 0
        self.outcome.statuses[status] += 1
        if self.counted_from <= now < self.ends:
            self.outcome.latencies.append(now - sent)
        if not self.outcome.sample or status != 201:
            self.outcome.sample = answer


def _complete(answer: bytes) -> tuple[bool, bool]:
    """Whether an answer is all there, and whether its connection may be used again."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False, True
    head = answer[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        raise ValueError(f"an answer without length: {answer[:200]!r}")
    stop = head.find(b"\r\n", at)
    length = int(head[at + 15 : stop if stop > 0 else end])
    return len(answer) >= end + 4 + length, b"connection: close" not in head
