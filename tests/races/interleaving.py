"""All orders of events: two pieces of work on two connections, statement by statement, in every order that there is.

Each statement that matches `gated`, and each commit, waits for its turn; so does each statement inside of a function
that was made by `stepping.stepped`. A work that waits for a lock of the other has no turn until it goes on, so what is
left are the orders that can really happen.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import await_

from tests.races.stepping import GATES, GATING

Piece = Callable[[AsyncSession], Awaitable[Any]]
Judge = Callable[[list[Any]], Awaitable[None]]
Scene = tuple[Sequence[Piece], Judge]
Taken = list[tuple[int, list[int]]]
PATIENCE_SECONDS = 20
_POLL_SECONDS = 0.001
# A statement that makes others wait, or changes what they will see.
_TAKES = re.compile(r"\bFOR (NO KEY )?(UPDATE|SHARE)\b|\b(INSERT|UPDATE|DELETE)\b|advisory")
_actor: ContextVar["Actor | None"] = ContextVar("actor", default=None)
# At the first gate of which of the two it waits; the sides change from gate to gate.
_SIDE = "SELECT classid::bigint FROM pg_locks WHERE pid = $1 AND locktype = 'advisory' AND NOT granted"
_OPEN = "SELECT pg_advisory_unlock($1::bigint::integer, $2), pg_advisory_lock($1::bigint::integer, $2)"


class Depth(IntEnum):
    """Where works wait for their turn: at a transaction's statements until one locks or writes; at all; at inner ones.

    Calls of a provider and commits are turns at each depth.
    """

    LOCKS = 1
    STATEMENTS = 2
    FUNCTIONS = 3


class Actor:
    """One piece of work, stopped before each of its statements."""

    def __init__(self, engine: AsyncEngine, piece: Piece, depth: Depth) -> None:
        self.engine, self.piece, self.depth = engine, piece, depth
        self.pid = 0
        # Has locked or written, and not committed yet: nobody sees what it does until then.
        self.apart = False
        # Inside of a function, where only the database can stop it.
        self.inside = False
        self.waits, self.go = asyncio.Event(), asyncio.Event()
        self.task: asyncio.Task[Any] = asyncio.create_task(self._run())

    async def _run(self) -> Any:
        """On one connection, however often the piece commits."""
        async with self.engine.connect() as connection:
            gated = "on" if self.depth == Depth.FUNCTIONS else "off"
            self.pid = (await connection.execute(text(GATING), {"gated": gated})).scalar_one()
            await connection.commit()
            try:
                async with AsyncSession(connection, expire_on_commit=False) as session:
                    _actor.set(self)
                    found = await self.piece(session)
                    await session.commit()
            finally:
                _actor.set(None)
                await connection.rollback()
                await connection.execute(text(GATING), {"gated": "off"})
                await connection.commit()
        return found

    def stops_before(self, statement: str) -> bool:
        """Whether this statement, one of the gated, has a turn of its own."""
        stops = self.depth > Depth.LOCKS or not self.apart
        self.apart = self.apart or bool(_TAKES.search(statement))
        return stops

    async def gate(self) -> None:
        self.waits.set()
        await self.go.wait()
        self.go.clear()

    @property
    def stopped(self) -> bool:
        return self.waits.is_set() or self.inside or self.task.done()

    @property
    def ready(self) -> bool:
        return self.stopped and not self.task.done()


async def step() -> None:
    """What a piece does beside the engine waits for its turn too: another driver's statements, calls of a provider."""
    actor = _actor.get()
    if actor is not None:
        await actor.gate()


class Director:
    """Lets actors take their turns."""

    def __init__(self, engine: AsyncEngine, monitor: asyncpg.Connection, gated: str) -> None:
        self.engine, self.monitor = engine, monitor
        self.gated = gated
        self.depth = Depth.FUNCTIONS
        self._one_question = asyncio.Lock()
        self._gates: set[int] = set()

    async def play(self, pieces: Sequence[Piece], turns: Sequence[int]) -> tuple[list[Any], Taken]:
        """Run the pieces, their first turns as given: their results, and at each turn who had it and who could have.

        After that whoever had the last turn goes on while it can.
        """
        actors = [Actor(self.engine, piece, self.depth) for piece in pieces]
        taken: Taken = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(actor.task.done() for actor in actors):
                await asyncio.gather(*(self._settle(actor) for actor in actors))
                able = [number for number, actor in enumerate(actors) if actor.ready]
                if not able:
                    continue
                turn = turns[len(taken)] if len(taken) < len(turns) else _next(taken, able)
                taken.append((turn, able))
                await self._let(actors[turn])
        return [await _outcome(actor) for actor in actors], taken

    async def _let(self, actor: Actor) -> None:
        if actor.inside:
            actor.inside = False
            async with self._one_question:
                side = await self.monitor.fetchval(_SIDE, actor.pid)
                await self.monitor.fetch(_OPEN, side, actor.pid)
        else:
            actor.waits.clear()
            actor.go.set()

    async def _settle(self, actor: Actor) -> None:
        """Until the actor is at its next statement, at its end, or waits for a lock."""
        while not actor.stopped:
            await asyncio.sleep(_POLL_SECONDS)
            if not actor.stopped and actor.pid and await self._is_blocked(actor):
                return

    async def _is_blocked(self, actor: Actor) -> bool:
        async with self._one_question:
            if actor.pid not in self._gates:
                self._gates.add(actor.pid)
                for gate in GATES:
                    await self.monitor.fetchval("SELECT pg_advisory_lock($1, $2)", gate, actor.pid)
            by = await self.monitor.fetchval("SELECT pg_blocking_pids($1)", actor.pid)
            actor.inside = self.monitor.get_server_pid() in by
            return bool(by)


def _next(taken: Taken, able: Sequence[int]) -> int:
    return taken[-1][0] if taken and taken[-1][0] in able else able[0]


async def _outcome(actor: Actor) -> Any:
    try:
        return await actor.task
    except Exception as error:  # noqa: BLE001 - whatever it raised is what came of it
        return error


@asynccontextmanager
async def directing(url: str, gated: str) -> AsyncIterator[Director]:
    """A director over a database; statements that match `gated` wait for their turn."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=2)
    monitor = await asyncpg.connect(url)
    director = Director(engine, monitor, gated)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _wait(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        actor = _actor.get()
        if actor is not None and re.search(director.gated, statement) and actor.stops_before(statement):
            await_(actor.gate())

    @event.listens_for(engine.sync_engine, "commit")
    def _wait_to_commit(_connection: Any) -> None:
        if (actor := _actor.get()) is not None:
            await_(actor.gate())
            actor.apart = False

    @event.listens_for(engine.sync_engine, "rollback")
    def _give_up(_connection: Any) -> None:
        if (actor := _actor.get()) is not None:
            actor.apart = False

    try:
        yield director
    finally:
        await monitor.close()
        await engine.dispose()


class Orders(msgspec.Struct, frozen=True):
    """Which orders are played: all of them, or a sample; at most so many changes of turn that nothing forces."""

    at_most: int | None = None
    switches: int | None = None
    seed: int = 0


async def every_order(director: Director, scene: Callable[[], Awaitable[Scene]], orders: Orders = Orders()) -> int:  # noqa: B008 - frozen
    """Play a scene in every order that can happen, each on a stage of its own; how many there were.

    `scene` sets the stage: the pieces of work, and what judges their outcomes.
    """
    played = 0
    chance = random.Random(orders.seed)
    waiting: list[list[int]] = [[]]
    while waiting and (orders.at_most is None or played < orders.at_most):
        turns = waiting.pop() if orders.at_most is None else waiting.pop(chance.randrange(len(waiting)))
        pieces, judge = await scene()
        outcomes, taken = await director.play(pieces, turns)
        try:
            await judge(outcomes)
        except AssertionError as error:
            error.add_note(f"the order was {[turn for turn, _ in taken]}, and came to {outcomes}")
            raise
        played += 1
        waiting += [one for one in _branches(turns, taken) if _within(one, taken, orders.switches)]
    return played


def _branches(turns: Sequence[int], taken: Taken) -> list[list[int]]:
    """Orders that are the same as this one up to a turn that somebody else could have had."""
    return [
        [each for each, _ in taken[:place]] + [other]
        for place in range(len(turns), len(taken))
        for other in taken[place][1]
        if other != taken[place][0]
    ]


def _within(turns: Sequence[int], taken: Taken, switches: int | None) -> bool:
    """Whether an order interrupts somebody at most so often."""
    if switches is None:
        return True
    places = range(1, len(turns))
    return sum(turns[place] != turns[place - 1] and turns[place - 1] in taken[place][1] for place in places) <= switches
