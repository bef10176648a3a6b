"""R8: answers that are lost and connections that are reset, at each of three hops and at six points of each."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from tests.chaos.journal import Call
from tests.chaos.proving import prove
from tests.chaos.proxy import Proxy, proxy_to
from tests.chaos.results import Goals
from tests.chaos.shoppers import Mall
from tests.chaos.wishes import KINDS, Wishes
from tests.chaos.world import World

pytestmark = pytest.mark.races
# What is done to a wire; where bytes are counted, after how many is drawn.
POINTS = (
    "swallow_answers",
    "swallow_requests",
    "reset_requests_at_once",
    "reset_requests_after",
    "reset_answers_at_once",
    "reset_answers_after",
)
BATCH = 10
# A client that waits no longer than this has lost the answer; the wire is mended after it.
GIVEN_UP_SECONDS = 0.4


def misbehave(wire: Proxy, point: str, within: int, chance: random.Random) -> None:
    """`within` is how many bytes one call has about, in the direction that is hit."""
    if point.startswith("swallow"):
        wire.behave(**{point: True})
    else:
        direction = "_".join(point.split("_")[:2])
        wire.behave(**{f"{direction}_after": 0 if point.endswith("at_once") else chance.randrange(1, within)})


async def attempt(doors: Sequence[httpx.AsyncClient], wishes: Wishes, call: Call) -> None:
    """Ask once, with little patience, and forget what came."""
    call.tries += 1
    try:
        door = doors[call.number % len(doors)]
        await door.request(call.method, call.path, headers=wishes.headers(call), json=call.body)
    except httpx.TransportError as error:
        call.troubles.append(type(error).__name__)


async def lose(world: World, wishes: Wishes, wires: Sequence[Proxy], batches: int, doors: Sequence[str]) -> list[Call]:
    """Batches of calls whose wires fail at each point in turn; each call is then asked for until there is a verdict."""
    kinds = KINDS if world.provider_wire not in wires else ("pay", "refund")
    done: list[Call] = []
    async with _impatient(doors) as clients:
        for turn in range(batches):
            calls = await wishes.mixture(BATCH if len(kinds) > 2 else BATCH // 2, kinds)
            for wire in wires:
                misbehave(wire, POINTS[turn % len(POINTS)], 400, wishes.chance)
            await asyncio.gather(*(attempt(clients, wishes, call) for call in calls))
            for wire in wires:
                wire.behave()
                # What was swallowed is never missed on the other side: whoever waits for it there is told.
                wire.cut()
            done += await asyncio.gather(*(wishes.insist(call) for call in calls))
    return done


@asynccontextmanager
async def _impatient(doors: Sequence[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        made = [httpx.AsyncClient(base_url=door, timeout=GIVEN_UP_SECONDS) for door in doors]
        for client in made:
            await stack.enter_async_context(client)
        yield made


def faults(wires: Sequence[Proxy]) -> int:
    return sum(wire.swallowed + wire.resets for wire in wires)


@pytest.mark.parametrize(
    "hop", [pytest.param(hop, marks=pytest.mark.shows(f"R8 {hop}")) for hop in ("client", "database", "provider")]
)
async def test_answers_are_lost(  # noqa: PLR0917 - fixtures
    world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool, hop: str
) -> None:
    often, seldom = {"client": (72, 6), "database": (30, 2), "provider": (24, 2)}[hop]
    batches = often if full_rounds else seldom
    wishes = Wishes(world, mall, seed)
    async with AsyncExitStack() as stack:
        in_front = [await stack.enter_async_context(proxy_to(port)) for port in world.api_ports]
        wires = {"client": in_front, "database": [world.database_wire], "provider": [world.provider_wire]}[hop]
        doors = [f"http://127.0.0.1:{wire.port}" for wire in in_front] if hop == "client" else world.doors
        before = faults(wires)
        done = await lose(world, wishes, wires, batches, doors)
        hit = faults(wires) - before
    differing = [found for call in done if call.end == "ack" and (found := await wishes.differs(call))]
    await prove(world, wishes.client)
    ends = Counter(call.end for call in done)
    figure = f"{len(done)} calls, {hit} faults: {dict(ends)}, {len(differing)} answered differently when asked again"
    held = hit >= len(done) // 2 and not differing and ends.keys() <= {"ack", "nack"}
    goals.note(f"R8 {hop}", "lost answers and resets: nothing double or lost, the same bytes", figure, held=held)
    assert held, (figure, differing[:3])
