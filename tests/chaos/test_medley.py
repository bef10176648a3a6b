"""The quick form of R4 to R7 and R16: one crowd, which is hit in each of these ways once; what is owed is the same."""

import random

import pytest

from tests.chaos.blows import cut_connections, kill_api, kill_worker, roll_api, roll_worker
from tests.chaos.proving import prove, unknown
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.quick_only]
DRAIN_SECONDS = 10.0
# In a crowd that hardly thinks somebody is always on the way, to be hit.
PAUSE_SECONDS = 0.02


async def test_everything_is_hit_once(world: World, mall: Mall, seed: int) -> None:
    chance, since = random.Random(seed), len(world.journal.calls)
    async with Crowd(world, mall, seed, pause=PAUSE_SECONDS) as crowd:
        await crowd.busy(60)
        await kill_api(world, chance)
        await crowd.busy(30)
        rescue = await kill_worker(world, 0)
        await crowd.busy(30)
        await world.crash_database()
        await crowd.busy(60)
        assert await cut_connections(world) > 0
        await crowd.busy(60)
        drains = [await roll_api(world, 1), await roll_worker(world, 1)]
        await crowd.busy(30)
    report = await prove(world, crowd.client)
    rescue.cancel()
    assert unknown(world, since) == 0, report.counts
    assert max(drains) <= DRAIN_SECONDS
    # Somebody was hit: there was trouble, and it was told as such.
    assert any(call.tries > 1 for call in world.journal.calls[since:])
