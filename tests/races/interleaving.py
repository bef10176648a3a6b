"""All orders of events: two pieces of work on two connections, statement by statement, in every order that there is.

Each statement that matches `gated`, and the commit, waits for its turn. A work that waits for a lock of the other has
no turn until it goes on, so what is left are the orders that can really happen.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import await_

Piece = Callable[[AsyncSession], Awaitable[Any]]
Judge = Callable[[list[Any]], Awaitable[None]]
Scene = tuple[Sequence[Piece], Judge]
PATIENCE_SECONDS = 20
_POLL_SECONDS = 0.001
_actor: ContextVar["Actor | None"] = ContextVar("actor", default=None)


class Actor:
    """One piece of work, stopped before each of its statements."""

    def __init__(self, engine: AsyncEngine, piece: Piece) -> None:
        self.engine, self.piece = engine, piece
        self.pid = 0
        self.waits, self.go = asyncio.Event(), asyncio.Event()
        self.task: asyncio.Task[Any] = asyncio.create_task(self._run())

    async def _run(self) -> Any:
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            self.pid = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            _actor.set(self)
            found = await self.piece(session)
            await self.gate()
        return found

    async def gate(self) -> None:
        self.waits.set()
        await self.go.wait()
        self.go.clear()

    @property
    def stopped(self) -> bool:
        return self.waits.is_set() or self.task.done()

    @property
    def ready(self) -> bool:
        return self.waits.is_set() and not self.task.done()


class Director:
    """Lets actors take their turns."""

    def __init__(self, engine: AsyncEngine, monitor: asyncpg.Connection) -> None:
        self.engine, self.monitor = engine, monitor
        self._one_question = asyncio.Lock()

    async def play(
        self, pieces: Sequence[Piece], turns: Sequence[int]
    ) -> tuple[list[Any], list[tuple[int, list[int]]]]:
        """Run the pieces, their first turns as given: their results, and at each turn who had it and who could have."""
        actors = [Actor(self.engine, piece) for piece in pieces]
        taken: list[tuple[int, list[int]]] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(actor.task.done() for actor in actors):
                await asyncio.gather(*(self._settle(actor) for actor in actors))
                able = [number for number, actor in enumerate(actors) if actor.ready]
                if not able:
                    continue
                turn = turns[len(taken)] if len(taken) < len(turns) else able[0]
                taken.append((turn, able))
                actors[turn].waits.clear()
                actors[turn].go.set()
        return [await _outcome(actor) for actor in actors], taken

    async def _settle(self, actor: Actor) -> None:
        """Until the actor is at its next statement, at its end, or waits for a lock."""
        while not actor.stopped:
            await asyncio.sleep(_POLL_SECONDS)
            if not actor.stopped and actor.pid and await self._is_blocked(actor.pid):
                return

    async def _is_blocked(self, pid: int) -> bool:
        async with self._one_question:
            return bool(await self.monitor.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid))


async def _outcome(actor: Actor) -> Any:
    try:
        return await actor.task
    except Exception as error:  # noqa: BLE001 - whatever it raised is what came of it
        return error


@asynccontextmanager
async def directing(url: str, gated: str) -> AsyncIterator[Director]:
    """A director over a database; statements that match `gated` wait for their turn."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=2)
    pattern = re.compile(gated)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def _wait(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        actor = _actor.get()
        if actor is not None and pattern.search(statement):
            await_(actor.gate())

    monitor = await asyncpg.connect(url)
    try:
        yield Director(engine, monitor)
    finally:
        await monitor.close()
        await engine.dispose()


async def every_order(director: Director, scene: Callable[[], Awaitable[Scene]]) -> int:
    """Play a scene in every order that can happen, each on a stage of its own; how many there were.

    `scene` sets the stage: the pieces of work, and what judges their outcomes.
    """
    played = 0
    waiting: list[list[int]] = [[]]
    while waiting:
        turns = waiting.pop()
        pieces, judge = await scene()
        outcomes, taken = await director.play(pieces, turns)
        await judge(outcomes)
        played += 1
        for place in range(len(turns), len(taken)):
            had, able = taken[place]
            waiting += [[each for each, _ in taken[:place]] + [other] for other in able if other != had]
    return played
