"""All orders of events: two pieces of work on two connections, statement by statement, in every order that there is.

Each statement that matches `gated`, and each commit, waits for its turn; so does each statement inside of a function
that was made by `stepping.stepped`. A work that waits for a lock of the other has no turn until it goes on, so what is
left are the orders that can really happen.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import Enum
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
Taken = list["Turn"]
PATIENCE_SECONDS = 20
_POLL_SECONDS = 0.001
# A statement that makes others wait, or changes what they will see.
_TAKES = re.compile(r"\bFOR (NO KEY |KEY )?(UPDATE|SHARE)\b|\b(INSERT|UPDATE|DELETE)\b|advisory")
_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+([a-z_]+)\b(?!\()")
# Columns of a table, and no function that could do more than read.
_COLUMNS = re.compile(r"\s*SELECT [\w.,\s]+\sFROM\s")
_actor: ContextVar["Actor | None"] = ContextVar("actor", default=None)
# At the first gate of which of the two it waits; the sides change from gate to gate.
_SIDE = "SELECT classid::bigint FROM pg_locks WHERE pid = $1 AND locktype = 'advisory' AND NOT granted"
_OPEN = "SELECT pg_advisory_unlock($1::bigint::integer, $2), pg_advisory_lock($1::bigint::integer, $2)"


class Kind(Enum):
    """What others can notice of a turn at a place."""

    # Or not known.
    ANYTHING = "anything"
    # Sees what was committed before it, and keeps nobody waiting.
    READ = "read"
    # Keeps others waiting; what it writes is seen after the commit.
    TAKE = "take"
    COMMIT = "commit"
    # Ends a transaction that took nothing.
    END = "end"


class Act(msgspec.Struct, frozen=True):
    """What a turn does, and where: what happens at one place is not noticed at another. None is everywhere."""

    kind: Kind = Kind.ANYTHING
    where: str | None = None


UNKNOWN = Act()
SHOP, PROVIDER = "shop", "provider"
# A table that no key binds to others, and whose statements touch no others.
APART = "payment_notification"


def alike(one: Act, other: Act) -> bool:
    """Whether it is all one which of two turns of different works comes first. When in doubt it is not."""
    kinds = {one.kind, other.kind}
    if Kind.END in kinds:
        return True
    if one.where != other.where and None not in (one.where, other.where):
        return True
    return kinds in ({Kind.READ}, {Kind.READ, Kind.TAKE})


def act_of(statement: str) -> Act:
    """Of a statement; functions that it calls may do anything."""
    tables = set(_TABLE.findall(statement))
    where = None if not tables or (APART in tables and len(tables) > 1) else APART if APART in tables else SHOP
    if _TAKES.search(statement):
        return Act(Kind.TAKE, where)
    return Act(Kind.READ if _COLUMNS.match(statement) else Kind.ANYTHING, where)


class Turn(msgspec.Struct, frozen=True):
    """Who had it, and what each of those who could have had it would have done."""

    of: int
    able: dict[int, Act]


class Actor:
    """One piece of work, stopped before each of its statements."""

    def __init__(self, engine: AsyncEngine, piece: Piece, *, within: bool) -> None:
        self.engine, self.piece, self.within = engine, piece, within
        self.pid = 0
        # What it waits to do, and where it has locked or written since its last commit.
        self.act = UNKNOWN
        self.took: set[str | None] = set()
        # Inside of a function, where only the database can stop it.
        self.inside = False
        self.waits, self.go = asyncio.Event(), asyncio.Event()
        self.task: asyncio.Task[Any] = asyncio.create_task(self._run())

    async def _run(self) -> Any:
        """On one connection, however often the piece commits."""
        async with self.engine.connect() as connection:
            self.pid = (await connection.execute(text(GATING), {"gated": "on" if self.within else "off"})).scalar_one()
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

    def does(self, act: Act) -> None:
        if act.kind is not Kind.READ:
            self.took.add(act.where)

    def end(self) -> Act:
        """What the end of its transaction is."""
        if not self.took:
            return Act(Kind.END)
        return Act(Kind.COMMIT, *self.took) if len(self.took) == 1 else Act(Kind.COMMIT)

    async def gate(self, act: Act) -> None:
        self.act = act
        self.waits.set()
        await self.go.wait()
        self.go.clear()

    @property
    def stopped(self) -> bool:
        return self.waits.is_set() or self.inside or self.task.done()

    @property
    def next_act(self) -> Act:
        return UNKNOWN if self.inside else self.act

    @property
    def ready(self) -> bool:
        return self.stopped and not self.task.done()


async def step(act: Act = UNKNOWN) -> None:
    """What a piece does beside the engine waits for its turn too: another driver's statements, calls of a provider."""
    actor = _actor.get()
    if actor is not None:
        await actor.gate(act)


class Director:
    """Lets actors take their turns."""

    def __init__(self, engine: AsyncEngine, monitor: asyncpg.Connection, gated: str) -> None:
        self.engine, self.monitor = engine, monitor
        self.gated = gated
        # Whether the statements inside of stepped functions have turns of their own.
        self.within = True
        self._one_question = asyncio.Lock()
        self._gates: set[int] = set()

    async def play(
        self, pieces: Sequence[Piece], turns: Sequence[int], asleep: AbstractSet[int] = frozenset()
    ) -> tuple[list[Any], Taken]:
        """Run the pieces, their first turns as given: their results, and the turns.

        After that whoever had the last turn goes on while it can, but who is `asleep` only when nobody else can.
        """
        actors = [Actor(self.engine, piece, within=self.within) for piece in pieces]
        taken: Taken = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(actor.task.done() for actor in actors):
                await asyncio.gather(*(self._settle(actor) for actor in actors))
                able = {number: actor.next_act for number, actor in enumerate(actors) if actor.ready}
                if not able:
                    continue
                turn, asleep = next_turn(turns, taken, able, asleep)
                taken.append(turn)
                await self._let(actors[turn.of])
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


def next_turn(
    turns: Sequence[int], taken: Taken, able: dict[int, Act], asleep: AbstractSet[int]
) -> tuple[Turn, AbstractSet[int]]:
    """Whose it is, and who sleeps after it."""
    if len(taken) < len(turns):
        return Turn(turns[len(taken)], able), asleep
    awake = [number for number in able if number not in asleep] or list(able)
    turn = Turn(taken[-1].of if taken and taken[-1].of in awake else awake[0], able)
    return turn, _still(asleep, turn)


def _still(asleep: AbstractSet[int], turn: Turn) -> frozenset[int]:
    """Of those who sleep, who has not been woken by a turn that is not all one to theirs."""
    return frozenset(each for each in asleep if each != turn.of and alike(turn.able[each], turn.able[turn.of]))


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
        if actor is None:
            return
        if re.search(director.gated, statement):
            await_(actor.gate(act_of(statement)))
        actor.does(act_of(statement))

    @event.listens_for(engine.sync_engine, "commit")
    def _wait_to_commit(_connection: Any) -> None:
        if (actor := _actor.get()) is not None:
            await_(actor.gate(actor.end()))
            actor.took.clear()

    @event.listens_for(engine.sync_engine, "rollback")
    def _give_up(_connection: Any) -> None:
        if (actor := _actor.get()) is not None:
            actor.took.clear()

    try:
        yield director
    finally:
        await monitor.close()
        await engine.dispose()


class Orders(msgspec.Struct, frozen=True):
    """Which orders are played: all of them, or a sample; at most so many changes of turn that nothing forces.

    With `once`, of orders that differ only in turns to which it is all one which of them came first, one is played
    (sleep sets: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996). That is for all
    orders: an order within the bound on `switches` may be like one beyond it.
    """

    at_most: int | None = None
    switches: int | None = None
    once: bool = False
    seed: int = 0


class Branch(msgspec.Struct, frozen=True):
    """The first turns of an order, and who need not have the next one: those orders are played elsewhere."""

    turns: list[int]
    asleep: frozenset[int] = frozenset()


async def every_order(director: Director, scene: Callable[[], Awaitable[Scene]], orders: Orders = Orders()) -> int:  # noqa: B008 - frozen
    """Play a scene in every order that can happen, each on a stage of its own; how many there were.

    `scene` sets the stage: the pieces of work, and what judges their outcomes.
    """
    played = 0
    chance = random.Random(orders.seed)
    waiting = [Branch([])]
    while waiting and (orders.at_most is None or played < orders.at_most):
        branch = waiting.pop() if orders.at_most is None else waiting.pop(chance.randrange(len(waiting)))
        pieces, judge = await scene()
        outcomes, taken = await director.play(pieces, branch.turns, branch.asleep)
        try:
            await judge(outcomes)
        except AssertionError as error:
            error.add_note(f"the order was {[turn.of for turn in taken]}, and came to {outcomes}")
            raise
        played += 1
        found = _branches(branch, taken, once=orders.once)
        waiting += [one for one in found if _within(one.turns, taken, orders.switches)]
    return played


def _branches(branch: Branch, taken: Taken, *, once: bool) -> Iterator[Branch]:
    """Orders that are the same as this one up to a turn that somebody else could have had."""
    asleep = branch.asleep
    for place in range(len(branch.turns), len(taken)):
        turn = taken[place]
        if turn.of in asleep:
            # Nobody else could go on: from here on it is like an order that is played elsewhere.
            return
        done = {*asleep, turn.of} if once else set()
        for other in turn.able:
            if other != turn.of and other not in asleep:
                begun = [each.of for each in taken[:place]] + [other]
                yield Branch(begun, _still(done, Turn(other, turn.able)))
                if once:
                    done.add(other)
        asleep = _still(asleep, turn)


def _within(turns: Sequence[int], taken: Taken, switches: int | None) -> bool:
    """Whether an order interrupts somebody at most so often."""
    if switches is None:
        return True
    places = range(1, len(turns))
    return (
        sum(turns[place] != turns[place - 1] and turns[place - 1] in taken[place].able for place in places) <= switches
    )
