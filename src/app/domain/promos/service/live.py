"""What a promotion's watchers see: one reader a promotion and process, however many watch.

Whoever changes a promotion's units says so after the commit, in a statement of its own and never in the claim's
transaction; each process hears of it and reads again, for the promotions that somebody watches there. What the clock
does (holds that run out, the end) is read when it is due, and everything once in a while in case a word was lost.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog

from app.db.reads import Reads
from app.db.watching import Watch
from app.domain.promos.queries.live import LIVE, TELL
from app.errors import AppError
from app.http.streams import Places

CHANNEL = "promo_live"
# At most ten notices a second, of all promotions together, and ten frames of each.
PAUSE_SECONDS = 0.1
# With many listeners a frame costs more than that: they get fewer.
LISTENER_SECONDS = 0.0003
LOOK_SECONDS = 2.0
HEARTBEAT_SECONDS = 10.0
# In one word, which PostgreSQL keeps below 8,000 bytes; the others go with the next.
MOST_NAMES = 400
_OVER = frozenset({"finished", "cancelled"})

log = structlog.get_logger("app.live")


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A promotion at a moment. Units left can be held now; held ones come back unless they are bought."""

    promo: int
    status: str
    units_left: int
    held: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    seconds_left: float
    server_time: dt.datetime

    @property
    def over(self) -> bool:
        return self.status in _OVER

    @property
    def shown(self) -> tuple[Any, ...]:
        """What makes it another state."""
        return (self.status, self.units_left, self.held, self.starts_at, self.ends_at)


class Look(msgspec.Struct, frozen=True):
    """A state, and seconds until the clock changes it."""

    state: State
    seconds: float


class Room:
    """The watchers of one promotion."""

    def __init__(self, promo_id: int, board: "LiveBoard") -> None:
        self.frame: bytes | None = None
        self.count = 0
        self.ended = False
        self.next: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.listeners = 0
        self.told = asyncio.Event()
        self._promo_id = promo_id
        self._board = board
        self._last: tuple[Any, ...] = ()
        self._published_at = 0.0
        self._task = asyncio.create_task(self._run())

    def end(self) -> None:
        self.ended = True
        self._wake()

    def close(self) -> None:
        self._task.cancel()
        self.end()

    def _wake(self) -> None:
        done, self.next = self.next, self.next.get_loop().create_future()
        if not done.done():
            done.set_result(None)

    async def _run(self) -> None:
        try:
            while not self.ended:
                self.told.clear()
                wait = await self._turn()
                if wait is None:
                    break
                await asyncio.sleep(PAUSE_SECONDS + self.listeners * LISTENER_SECONDS)
                await _wait(self.told, wait)
        except Exception:
            log.exception("live_broken", promo=self._promo_id)
        finally:
            self.end()

    async def _turn(self) -> float | None:
        """Read, and publish what is new; seconds until the next look, None when the promotion is over."""
        try:
            look = await self._board.look(self._promo_id)
        except AppError as error:
            log.warning("live_not_read", promo=self._promo_id, error=type(error).__name__)
            return LOOK_SECONDS
        if look is None:
            return None
        now = asyncio.get_running_loop().time()
        if look.state.shown != self._last or now - self._published_at >= HEARTBEAT_SECONDS:
            self._last, self._published_at = look.state.shown, now
            self._publish(look.state)
        return None if look.state.over else min(LOOK_SECONDS, look.seconds)

    def _publish(self, state: State) -> None:
        name = "end" if state.over else "state"
        number = round(state.server_time.timestamp() * 1000)
        data = msgspec.json.encode(state).decode()
        self.frame = f"event: {name}\nid: {number}\nretry: 3000\ndata: {data}\n\n".encode()
        self.count += 1
        self._wake()


class LiveBoard:
    """The rooms of one process, and its word to the others."""

    def __init__(self, reads: Reads, places: Places, watch: Watch[Any]) -> None:
        """It hears on the connection of `watch`, which has not started yet."""
        self.places = places
        self._reads = reads
        self._rooms: dict[int, Room] = {}
        self._changed: set[int] = set()
        self._telling: asyncio.Task[None] | None = None
        self._closing = False
        watch.also(CHANNEL, self.hear)

    def touch(self, promo_id: int) -> None:
        """A promotion's units have changed, and that is committed. Returns at once; the word goes out by itself."""
        self._changed.add(promo_id)
        if self._telling is None and not self._closing:
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        try:
            while self._changed:
                told = sorted(self._changed)[:MOST_NAMES]
                self._changed.difference_update(told)
                names = ",".join(str(each) for each in told)
                try:
                    await self._reads.fetch(TELL, (CHANNEL, names), len, primary=True)
                except AppError as error:
                    log.warning("live_not_told", error=type(error).__name__)
                except Exception:
                    log.exception("live_not_told")
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._telling = None

    def hear(self, payload: str) -> None:
        """What the processes tell each other; an empty word means that one may have been missed."""
        named = {int(each) for each in payload.split(",") if each.isdecimal()} if payload else set(self._rooms)
        for promo_id in named & self._rooms.keys():
            self._rooms[promo_id].told.set()

    async def look(self, promo_id: int) -> Look | None:
        """A promotion now; None when there is none. Equal looks at a moment are one. Raises AppError."""
        return await self._reads.fetch(LIVE, (promo_id,), _look_of)

    @asynccontextmanager
    async def watch(self, promo_id: int) -> AsyncIterator[Room]:
        """The promotion's room, for as long as somebody is in it."""
        room = self._rooms.get(promo_id)
        if room is None or room.ended:
            room = self._rooms[promo_id] = Room(promo_id, self)
        if self._closing:
            room.close()
        room.listeners += 1
        try:
            yield room
        finally:
            room.listeners -= 1
            if not room.listeners:
                room.close()
                if self._rooms.get(promo_id) is room:
                    del self._rooms[promo_id]

    def begin_to_close(self) -> None:
        """The process is about to stop: every answer ends now, instead of keeping it waiting."""
        self._closing = True
        for room in list(self._rooms.values()):
            room.close()

    async def close(self) -> None:
        self.begin_to_close()
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait({self._telling})


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            await event.wait()
    except TimeoutError:
        return


def _look_of(rows: list[Any]) -> Look | None:
    if not rows:
        return None
    row = rows[0]
    now = row["server_time"]
    state = State(
        promo=row["id"],
        status=row["status"],
        units_left=max(row["units_left"], 0),
        held=row["held"],
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        seconds_left=max(round((row["ends_at"] - now).total_seconds(), 3), 0.0),
        server_time=now,
    )
    changes = [at for at in (row["starts_at"], row["ends_at"], row["next_expiry"]) if at is not None and at > now]
    soonest = min((at - now).total_seconds() for at in changes) if changes else LOOK_SECONDS
    return Look(state, soonest + 0.002)
