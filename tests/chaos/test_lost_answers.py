"""R8: answers that are lost and connections that are reset, at each of three hops and at six points of each."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import httpx
import pytest

from app.clients.trust import trusted
from tests.chaos.client import is_verdict
from tests.chaos.journal import Call
from tests.chaos.proving import prove
from tests.chaos.proxy import Proxy, proxy_to
from tests.chaos.results import Goals
from tests.chaos.shoppers import Mall
from tests.chaos.wishes import KINDS, Wishes
from tests.chaos.world import World

pytestmark = pytest.mark.races
# What is done to a wire; where bytes are counted, after how many is drawn. The first two lose answers.
POINTS = (
    "swallow_answers",
    "reset_answers_at_once",
    "swallow_requests",
    "reset_answers_after",
    "reset_requests_at_once",
    "reset_requests_after",
)
# A client that waits no longer than this has lost the answer; the wire is mended after it.
GIVEN_UP_SECONDS = 0.4
# Whose connection is reset learns of it, and need not give up before.
RESET_SECONDS = 2.0


class Hop(NamedTuple):
    """`batches` of `size` calls each, after which at least `lost` calls have got no answer, since it was lost here."""

    batches: int
    size: int
    lost: int


# A thousand lost answers over the three of them.
FULL = {"client": Hop(78, 24, 700), "database": Hop(30, 20, 250), "provider": Hop(24, 5, 50)}
QUICK = {"client": Hop(6, 10, 20), "database": Hop(2, 10, 6), "provider": Hop(2, 5, 5)}


def misbehave(wire: Proxy, point: str, within: int, chance: random.Random) -> None:
    """`within` is how many bytes one call has about, in the direction that is hit."""
    if point.startswith("swallow"):
        wire.behave(**{point: True})
    else:
        direction = "_".join(point.split("_")[:2])
        wire.behave(**{f"{direction}_after": 0 if point.endswith("at_once") else chance.randrange(1, within)})


async def attempt(door: httpx.AsyncClient, wishes: Wishes, call: Call, patience: float) -> bool:
    """Ask once, with little patience, and forget what came; whether it was no verdict."""
    call.tries += 1
    try:
        answer = await door.request(
            call.method, call.path, headers=wishes.headers(call), json=call.body, timeout=patience
        )
    except httpx.TransportError as error:
        call.troubles.append(type(error).__name__)
        return True
    if not is_verdict(answer):
        call.troubles.append(str(answer.status_code))
    return not is_verdict(answer)


async def lose(
    world: World, wishes: Wishes, wires: Sequence[Proxy], hop: Hop, doors: Sequence[str]
) -> tuple[list[Call], int]:
    """Batches of calls whose wires fail at each point in turn; each call is then asked for until there is a verdict.

    How many of them had no verdict at first because an answer was lost: no more than answers were lost on the wires.
    """
    kinds = KINDS if world.provider_wire not in wires else ("pay", "refund")
    done: list[Call] = []
    lost = 0
    async with _impatient(doors) as clients:
        for turn in range(hop.batches):
            point = POINTS[turn % len(POINTS)]
            patience = GIVEN_UP_SECONDS if point.startswith("swallow") else RESET_SECONDS
            calls = await wishes.mixture(hop.size, kinds)
            before = sum(wire.lost_answers for wire in wires)
            for wire in wires:
                misbehave(wire, point, 400, wishes.chance)
            asked = (attempt(clients[call.number % len(clients)], wishes, call, patience) for call in calls)
            without = sum(await asyncio.gather(*asked))
            lost += min(without, sum(wire.lost_answers for wire in wires) - before)
            for wire in wires:
                wire.behave()
                # What was swallowed is never missed on the other side: whoever waits for it there is told.
                wire.cut()
            done += await asyncio.gather(*(wishes.insist(call) for call in calls))
    return done, lost


@asynccontextmanager
async def _impatient(doors: Sequence[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        made = [httpx.AsyncClient(verify=trusted(), base_url=door) for door in doors]
        for client in made:
            await stack.enter_async_context(client)
        yield made


def faults(wires: Sequence[Proxy]) -> int:
    """What was swallowed or reset on the way, and not by the mending."""
    return sum(wire.swallowed + wire.resets for wire in wires)


@pytest.mark.parametrize(
    "hop", [pytest.param(hop, marks=pytest.mark.shows(f"R8 {hop}")) for hop in ("client", "database", "provider")]
)
async def test_answers_are_lost(  # noqa: PLR0917 - fixtures
    world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool, hop: str
) -> None:
    wanted = (FULL if full_rounds else QUICK)[hop]
    wishes = Wishes(world, mall, seed)
    async with AsyncExitStack() as stack:
        in_front = [await stack.enter_async_context(proxy_to(port)) for port in world.api_ports]
        wires = {"client": in_front, "database": [world.database_wire], "provider": [world.provider_wire]}[hop]
        doors = [f"http://127.0.0.1:{wire.port}" for wire in in_front] if hop == "client" else world.doors
        before = faults(wires)
        done, lost = await lose(world, wishes, wires, wanted, doors)
        hit = faults(wires) - before
    differing = [found for call in done if call.end == "ack" and (found := await wishes.differs(call))]
    await prove(world, wishes.client)
    ends = Counter(call.end for call in done)
    figure = (
        f"{len(done)} calls, {hit} faults, {lost} answers lost: {dict(ends)}, "
        f"{len(differing)} answered differently when asked again"
    )
    held = lost >= wanted.lost and hit >= len(done) // 2 and not differing and ends.keys() <= {"ack", "nack"}
    goals.note(f"R8 {hop}", "lost answers and resets: nothing double or lost, the same bytes", figure, held=held)
    assert held, (figure, differing[:3])
