"""How much at a time: what a process cannot do in time is refused at once, and what matters most is not kept waiting.

Requests go by lanes, each with so many places of its own, so that shoppers who look cannot take those of buyers, and
callers who wait for a provider cannot take anybody's. Who finds a lane full waits in it, unless by its present pace
the wait would be longer than its patience: then the answer is a 503 with Retry-After, before anything was done for it.
A rush is waited out; where people have had to wait all the time, a long queue would only make everybody late (CoDel:
Nichols and Jacobson, "Controlling Queue Delay", 2012), so only a short one may stand.
A probe needs no place: whether the process lives has nothing to do with how busy it is.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec
from litestar.types import Message, Receive, ReceiveMessage, Scope, Send

from app.errors import Unavailable

RETRY_SECONDS = 1
# Whose client has not sent a piece by then, or not taken one, makes room while it goes on waiting for that.
SENDING_SECONDS = 0.1
# How fast the pace follows: a part of each new interval.
_WEIGHT = 0.1
# A rush is over when for so long nobody had to wait.
REST_SECONDS = 0.05


class Full(Unavailable):
    """Too many requests at this moment, try again later."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__(retry_after=RETRY_SECONDS)


class Lane:
    """Places for requests of one kind, and those who wait for one, first come first served."""

    def __init__(self, places: int, patience: float, standing: float | None = None) -> None:
        """`patience` is in seconds; once the rush has lasted that long, `standing` is what is left of it."""
        self.places = places
        self.patience = patience
        self.standing = patience if standing is None else standing
        self.running = 0
        # When the last rush began, and when somebody last found no place.
        self._rush = self._full_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        # Seconds from one end to the next while somebody waits; 0 until it was measured.
        self._pace = 0.0
        self._last_end = 0.0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def expected(self) -> float:
        """Seconds that who comes now would wait."""
        return (len(self._waiting) + 1) * self._pace if self._is_full else 0.0

    @property
    def _is_full(self) -> bool:
        return self.running >= self.places

    async def enter(self) -> None:
        """A place, which `leave` gives back. Raises Full."""
        if not self._is_full and not self._waiting:
            self.running += 1
            return
        if self.turns_away():
            raise Full
        await self._wait()

    def turns_away(self) -> bool:
        """Whether who comes now would find no place and would not even wait for one."""
        if not self._is_full and not self._waiting:
            return False
        now = time.monotonic()
        if now - self._full_at > REST_SECONDS:
            self._rush = now
        self._full_at = now
        bound = self.standing if now - self._rush > self.patience else self.patience
        # One may always wait: the pace is measured by those who do, and without them a slow moment would never be over.
        return bool(self._waiting) and self.expected > bound

    async def _wait(self) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self.patience):
                await place
        except (TimeoutError, asyncio.CancelledError) as error:
            if place.done() and not place.cancelled():
                # It came at the same moment; who has gone away has no use for it.
                if isinstance(error, TimeoutError):
                    return
                self.leave()
                raise
            # Who passed it by has taken it out already.
            with suppress(ValueError):
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise Full from error
            raise

    def leave(self) -> None:
        """The place goes to who has waited longest, if somebody waits."""
        if self.running > self.places:
            # Somebody came back late: this place was handed on when they made room, and counted then.
            self.running -= 1
            return
        self._measure()
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.running -= 1

    def return_late(self) -> None:
        """Who made room comes back without waiting: a part of the work is done."""
        self.running += 1

    def _measure(self) -> None:
        now = time.monotonic()
        if self._waiting and self._last_end:
            interval = now - self._last_end
            self._pace += (interval - self._pace) * (_WEIGHT if self._pace else 1.0)
        self._last_end = now if self._waiting else 0.0


class Turn:
    """One request's place, from before it is read until after its answer."""

    def __init__(self, lane: Lane, receive: Receive, send: Send) -> None:
        self._lane, self._receive, self._send = lane, receive, send
        self._aside = False

    async def receive(self) -> ReceiveMessage:
        """The next piece of the request. Who sends slowly keeps nobody else waiting."""
        with self._patience():
            return await self._receive()

    async def send(self, message: Message) -> None:
        """A piece of the answer. Nor does who takes it slowly."""
        with self._patience():
            await self._send(message)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        timer = asyncio.get_running_loop().call_later(SENDING_SECONDS, self._step_aside)
        try:
            yield
        finally:
            timer.cancel()
            if self._aside:
                self._aside = False
                self._lane.return_late()

    def _step_aside(self) -> None:
        # Some listen for their client's end while they send.
        if not self._aside:
            self._aside = True
            self._lane.leave()


class Sizes(msgspec.Struct, frozen=True):
    """Places in each lane of a process, seconds of patience, and what is left of it in a rush that does not end.

    Claims of holds are sent to the database many at a time, so that many at once are quicker than few. What is looked
    at costs the most and can wait the least: it has as many places as there are connections to the database. More of
    it would mostly wait for one of those, where nobody tells it from a buyer, and all be late together. Reports take
    seconds, so they have a few places of their own, and the shop goes on beside as many as staff ask for.
    """

    first: tuple[int, float] = (512, 2.0)
    claims: tuple[int, float] = (512, 1.0)
    changes: tuple[int, float] = (96, 0.8)
    providers: tuple[int, float] = (96, 0.8)
    reports: tuple[int, float] = (4, 5.0)
    views: tuple[int, float, float] = (8, 0.4, 0.05)

    @classmethod
    def beside(cls, connections: int) -> "Sizes":
        """Those of a process that has so many connections to the database."""
        return cls(views=(connections, *cls().views[1:]))


# Answers that go on for as long as somebody listens: they are counted by themselves (streams.py).
LISTENING = re.compile(r"(?:/api)?/promos/[0-9]+/live")
# Paths are without their last slash, which routes do not ask for. Carts of promotions are the same below `/api`.
PROBES = frozenset({"/livez", "/readyz", "/metrics", "/api/health"})
_CARTS = ("/cart", "/api/cart")
# What money and what is bought already wait for: notifications of payments, checking out, giving a hold back.
FIRST = frozenset(
    {
        ("POST", "/api/payments"),
        ("POST", "/api/payments/webhook"),
        *(("PUT", f"{cart}/checkout") for cart in _CARTS),
        *(("PUT", f"{cart}/cancel") for cart in _CARTS),
    }
)
CLAIMS = frozenset(("POST", f"{cart}/reserve") for cart in _CARTS)
PROVIDERS = "/api/payments/"
# These ask a provider too before they answer.
_ASKED_ELSEWHERE = frozenset({"/api/payments/update-dollar-rate", "/api/products/sync/validate"})
# What is summed up over all orders or users.
REPORTS = re.compile(r"\A/api/statistics/|statistics\Z")
_VIEWING = frozenset({"GET", "HEAD"})
# What a browser asks before it sends a buyer's request; the answer is made without looking at anything.
_ASKING = "OPTIONS"


class Admission:
    """The lanes of one process."""

    def __init__(self, sizes: Sizes | None = None) -> None:
        sizes = sizes or Sizes()
        self.first = Lane(*sizes.first)
        self.claims = Lane(*sizes.claims)
        self.changes = Lane(*sizes.changes)
        self.providers = Lane(*sizes.providers)
        self.reports = Lane(*sizes.reports)
        self.views = Lane(*sizes.views)

    def lane_of(self, scope: Scope) -> Lane | None:
        """Where a request goes; None for who needs no place."""
        method, path = scope["method"], scope["path"].rstrip("/")  # type: ignore[typeddict-item]
        if (method, path) in FIRST:
            return self.first
        if (method, path) in CLAIMS:
            return self.claims
        if method == _ASKING or path in PROBES or LISTENING.fullmatch(path):
            return None
        if method in _VIEWING:
            if REPORTS.search(path):
                return self.reports
            return self.providers if path in _ASKED_ELSEWHERE else self.views
        return self.providers if path.startswith(PROVIDERS) else self.changes
