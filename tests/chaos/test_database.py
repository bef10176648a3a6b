"""R6 and R7: PostgreSQL crashes and recovers, and its connections are cut every two seconds, in mixed load."""

import asyncio
import random
import time
from collections import Counter

import pytest

from tests.chaos.blows import cut_connections
from tests.chaos.connections import census, fill
from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.alone, pytest.mark.full_only]
BACK_SECONDS = 5.0
BASELINE_SECONDS = 10.0
CUT_PAUSE_SECONDS = 2.0


@pytest.mark.shows("R6")
async def test_the_database_crashes(world: World, mall: Mall, seed: int, goals: Goals) -> None:
    crashes = 20
    chance, since = random.Random(seed), len(world.journal.calls)
    back: list[float] = []
    async with Crowd(world, mall, seed) as crowd:
        for _ in range(crashes):
            await crowd.busy(chance.randint(50, 250))
            accepted = await world.crash_database()

            async def served(accepted: float = accepted) -> bool:
                return any(at - spent > accepted for at, spent in crowd.client.successes[-200:])

            await world.until(served, "a call begun after the recovery succeeds", 60.0, 0.01)
            back.append(next(at for at, spent in crowd.client.successes if at - spent > accepted) - accepted)
    await prove(world, crowd.client)
    lost, down = unknown(world, since), crowd.client.statuses["503"]
    figure = (
        f"{crashes} crashes, {len(world.journal.calls) - since} calls, {down} x 503, "
        f"{crowd.client.statuses['500']} x 500, back after at most {max(back):.1f} s, {lost} without a verdict"
    )
    held = lost == 0 and down > 0 and max(back) <= BACK_SECONDS
    goals.note("R6", "crashes of PostgreSQL: 0 lost acked, 503 while down, back <= 5 s", figure, held=held)
    assert held, figure


@pytest.mark.shows("R7")
async def test_connections_are_cut(world: World, mall: Mall, seed: int, goals: Goals) -> None:
    seconds, since = 120.0, len(world.journal.calls)
    cuts = 0
    async with Crowd(world, mall, seed) as rush:
        await rush.busy(200)
    await fill(world)
    before = await census(world)
    begun = len(world.journal.calls)
    async with Crowd(world, mall, seed + 1, pause=0.1) as crowd:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            cuts += await cut_connections(world)
            await asyncio.sleep(CUT_PAUSE_SECONDS)
    calls = world.journal.calls[begun:]
    since_cut = time.monotonic()
    await fill(world)
    await asyncio.sleep(max(0.0, since_cut + BASELINE_SECONDS - time.monotonic()))
    after = await census(world)
    await prove(world, crowd.client)
    good = sum(call.tries <= 3 for call in calls) / len(calls)
    late = Counter(f"{call.kind}: {' '.join(call.troubles)}" for call in calls if call.tries > 3)
    figure = (
        f"{cuts} connections cut in {seconds:.0f} s, {len(calls)} calls, {good:.2%} within two retries, "
        f"{after.total} connections after, {before.total} before, at most {after.most} by their pools, "
        f"{'; '.join(sorted(before.wrong | after.wrong)) or 'each in its place'}"
    )
    held = good >= 0.99 and unknown(world, since) == 0 and after.total <= after.most
    held = held and not before.wrong and not after.wrong
    goals.note("R7", "connections cut every 2 s: no false ack, >= 99 % within 2 retries, baseline", figure, held=held)
    assert held, (figure, late)
