"""A TCP proxy that can be told to fail: late, cut, deaf in one direction, reset after so many bytes.

It stands between a client and a server, both of which are real; each connection is looked after by a task of its own.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65536
ARRIVAL_SECONDS = 0.01
# SO_LINGER on, with no time: the close is a reset.
ABORT = struct.pack("ii", 1, 0)


@dataclass
class Manners:
    """How connections are treated. Each is looked at for every piece that passes, so a change is felt at once.

    `delay` holds each piece back for so many seconds, in both directions. `swallow_answers` and `swallow_requests`
    take what comes and pass nothing on: the other side is never told. `reset_answers_after` passes so many bytes of
    answers on, counted for each connection from when it was set, and then resets both sides. `reset_requests_after` is
    the same for requests. `refuse` closes new connections at once.
    """

    delay: float = 0.0
    swallow_answers: bool = False
    swallow_requests: bool = False
    reset_answers_after: int | None = None
    reset_requests_after: int | None = None
    refuse: bool = False


@dataclass(eq=False)
class Link:
    """One connection through the proxy; its passed bytes, and whether an answer was lost, since the manners changed."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    requests: int = 0
    answers: int = 0
    lost: bool = False

    def reset(self) -> None:
        """Both sides learn of a reset, and what was under way is lost."""
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            writer.transport.abort()


class Proxy:
    """Listens on a port of this machine and passes on to another one."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.manners = Manners()
        self.links: set[Link] = set()
        # The pieces that were swallowed, the links that were reset on the way: how often the fault was really there.
        self.swallowed = 0
        self.resets = 0
        # The links whose answer was swallowed or cut short, each once for as long as the manners are the same.
        self.lost_answers = 0
        # The links that `cut` has ended: no fault that was waited for, but often its mending.
        self.cuts = 0
        # Called when a piece of an answer, or of a request, was swallowed or cut.
        self.on_fault: Callable[[], None] = lambda: None
        self._server: asyncio.Server | None = None

    async def open(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        while self.links:
            await asyncio.sleep(0)

    def behave(self, **manners: object) -> None:
        """From now on so; what is not named is as it should be. Counts of bytes begin anew."""
        self.manners = Manners(**manners)  # type: ignore[arg-type]
        for link in self.links:
            link.requests = link.answers = 0
            link.lost = False

    def cut(self) -> int:
        """Reset every connection; how many."""
        links = list(self.links)
        for link in links:
            link.reset()
        self.cuts += len(links)
        return len(links)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.manners.refuse:
            writer.transport.abort()
            return
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, forth)
        self.links.add(link)
        link.tasks = [
            asyncio.create_task(self._pass(link, reader, forth, answers=False)),
            asyncio.create_task(self._pass(link, back, writer, answers=True)),
        ]
        try:
            await asyncio.wait(link.tasks)
        finally:
            for one in (writer, forth):
                one.transport.abort()
            self.links.discard(link)

    async def _pass(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        """One direction, until its source ends; then the other side is told that nothing more comes."""
        try:
            while piece := await reader.read(CHUNK):
                if self.manners.delay:
                    await asyncio.sleep(self.manners.delay)
                kept, over = self._judge(link, piece, answers=answers)
                writer.write(kept)
                await writer.drain()
                if over:
                    # What was passed on arrives first: a reset throws away what its receiver has not read.
                    await asyncio.sleep(ARRIVAL_SECONDS)
                    link.reset()
                    return
            with suppress(OSError):
                writer.write_eof()
        except (OSError, RuntimeError):
            link.reset()

    def _judge(self, link: Link, piece: bytes, *, answers: bool) -> tuple[bytes, bool]:
        """What of a piece is passed on, and whether the link is over then."""
        manners = self.manners
        if manners.swallow_answers if answers else manners.swallow_requests:
            self.swallowed += 1
            self._hit(link, answers=answers)
            return b"", False
        limit = manners.reset_answers_after if answers else manners.reset_requests_after
        passed = link.answers if answers else link.requests
        if limit is not None and passed + len(piece) > limit:
            self.resets += 1
            self._hit(link, answers=answers)
            return piece[: limit - passed], True
        if answers:
            link.answers += len(piece)
        else:
            link.requests += len(piece)
        return piece, False

    def _hit(self, link: Link, *, answers: bool) -> None:
        if answers and not link.lost:
            link.lost = True
            self.lost_answers += 1
        self.on_fault()


@asynccontextmanager
async def proxy_to(target: int, *, port: int = 0) -> AsyncIterator[Proxy]:
    """A proxy to a port of this machine, until the block ends."""
    proxy = Proxy(target)
    await proxy.open(port)
    try:
        yield proxy
    finally:
        await proxy.close()
