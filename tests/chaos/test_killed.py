"""R4 and R5: kill -9 of API processes and of workers, and workers that are frozen and thawed, in mixed load."""

import asyncio
import random
import time

import pytest

from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = pytest.mark.races
RESCUE_SECONDS = 60.0
# A frozen worker counts as dead after 15 s without a heartbeat; its jobs are somebody else's then.
FROZEN_SECONDS = 20.0
SLOW_PROVIDER = {"provider": "mercadopago", "delay_seconds": 0.3, "times": 1_000_000, "method": "GET"}
SLOW_MAIL = {"provider": "smtp", "delay_seconds": 0.3, "times": 1_000_000}
_DOING = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = ANY($1)"
_STILL = "SELECT count(*) FROM procrastinate_jobs WHERE id = ANY($1) AND status = 'doing' AND worker_id = ANY($2)"
_WORKERS = "SELECT id FROM procrastinate_workers ORDER BY id"


async def test_an_api_process_is_killed(world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool) -> None:
    kills = 100 if full_rounds else 2
    chance, since = random.Random(seed), len(world.journal.calls)
    async with Crowd(world, mall, seed) as crowd:
        for _ in range(kills):
            await crowd.busy(chance.randint(10, 80))
            number = chance.randrange(2)
            await world.apis[number].kill()
            await asyncio.sleep(chance.uniform(0, 0.3))
            await world.restart(number)
    report = await prove(world, crowd.client)
    lost = unknown(world, since)
    retried = sum(call.tries > 1 for call in world.journal.calls[since:])
    figure = f"{kills} kills, {len(world.journal.calls) - since} calls, {retried} asked again, {lost} without a verdict"
    held = lost == 0 and retried > 0
    goals.note("R4", "kill -9 of API processes: nothing lost or double, all retries converge", figure, held=held)
    assert held, (figure, report.counts)


async def test_a_worker_is_killed_or_frozen(
    world: World, mall: Mall, seed: int, goals: Goals, full_rounds: bool
) -> None:
    kills, freezes = (50, 10) if full_rounds else (1, 0)
    chance, since = random.Random(seed), len(world.journal.calls)
    rescues: list[asyncio.Task[float]] = []
    async with Crowd(world, mall, seed) as crowd:
        # Providers take a while, so that whoever dies was in the middle of something.
        for fault in (SLOW_PROVIDER, SLOW_MAIL):
            await world.tell("/__emu__/faults", fault)
        for turn in range(kills):
            await crowd.busy(chance.randint(20, 60))
            if turn * freezes // kills != (turn + 1) * freezes // kills:
                await _frozen(world)
            rescues.append(await _killed(world, chance.randrange(2)))
            await asyncio.sleep(1.0)
    slowest = max(await asyncio.gather(*rescues)) if full_rounds else 0.0
    await world.tell("/__emu__/faults/clear")
    if not full_rounds:
        for task in rescues:
            task.cancel()
    report = await prove(world, crowd.client, hurry=not full_rounds)
    interrupted = sum(bool(task.get_name().partition(" ")[2] != "0") for task in rescues)
    figure = f"{kills} kills ({interrupted} amid jobs), {freezes} frozen, rescued after at most {slowest:.0f} s"
    held = unknown(world, since) == 0 and slowest <= RESCUE_SECONDS
    goals.note(
        "R5", "kill -9 and freezing of workers: no job lost, each effect once, rescue <= 60 s", figure, held=held
    )
    assert held, (figure, report.counts)


async def _killed(world: World, number: int) -> asyncio.Task[float]:
    """A worker dies, and another takes its place; the task ends when its jobs are not its own any more: the seconds."""
    before = {row[0] for row in await world.sql(_WORKERS)}
    await world.workers[number].kill()
    died = time.monotonic()
    other = world.workers[1 - number]
    assert other.runs
    await world.workers[number].start()
    rows = await world.sql(_DOING, list(before))
    jobs = [row[0] for row in rows]

    async def rescued() -> float:
        async def theirs() -> bool:
            live = await world.sql("SELECT id FROM procrastinate_workers WHERE last_heartbeat > now() - interval '8 s'")
            dead = list(before - {row[0] for row in live})
            return not await world.value(_STILL, jobs, dead)

        await world.until(theirs, f"the jobs {jobs} of a dead worker are rescued", 2 * RESCUE_SECONDS, 0.5)
        return time.monotonic() - died

    return asyncio.create_task(rescued(), name=f"rescue {len(jobs)}")


async def _frozen(world: World) -> None:
    """A worker stands still for so long that it is taken for dead, and comes back."""
    world.workers[0].freeze()
    await asyncio.sleep(FROZEN_SECONDS)
    world.workers[0].thaw()
