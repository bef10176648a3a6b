"""What is done to the world's programs while it is at work."""

import asyncio
import random
import time

from tests.chaos.programs import NUMBERED, Program
from tests.chaos.world import APP_CONNECTIONS, World

RESCUE_SECONDS = 60.0
# A frozen worker counts as dead after 15 s without a heartbeat; its jobs are somebody else's then.
FROZEN_SECONDS = 20.0
_DOING = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = ANY($1)"
_STILL = "SELECT count(*) FROM procrastinate_jobs WHERE id = ANY($1) AND status = 'doing' AND worker_id = ANY($2)"
_CUT = f"""
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE {APP_CONNECTIONS} AND datname = current_database()
"""


async def kill_api(world: World, chance: random.Random) -> None:
    """One of the API processes dies and soon comes back."""
    number = chance.randrange(2)
    await world.apis[number].kill()
    await asyncio.sleep(chance.uniform(0, 0.3))
    await world.restart(number)


async def cut_connections(world: World) -> int:
    """The server ends every connection of the application; how many there were."""
    return int(await world.value(_CUT))


async def roll_api(world: World, number: int) -> float:
    """An API process is stopped in order and started again; how many seconds its end took."""
    begun = time.monotonic()
    await world.apis[number].stop()
    drained = time.monotonic() - begun
    await world.restart(number)
    return drained


async def roll_worker(world: World, number: int) -> float:
    """The same for a worker, which takes up its work by itself."""
    begun = time.monotonic()
    await world.workers[number].stop()
    drained = time.monotonic() - begun
    await world.workers[number].start()
    return drained


async def kill_worker(world: World, number: int) -> asyncio.Task[float]:
    """A worker dies, and another takes its place; the task ends when its jobs are not its own any more: the seconds."""
    worker = world.workers[number]
    await worker.kill()
    died, dead = time.monotonic(), numbers_of(worker)
    assert world.workers[1 - number].runs
    await worker.start()
    jobs = [row[0] for row in await world.sql(_DOING, dead)]

    async def rescued() -> float:
        async def theirs() -> bool:
            return not await world.value(_STILL, jobs, dead)

        await world.until(theirs, f"the jobs {jobs} of a dead worker are rescued", 2 * RESCUE_SECONDS, 0.5)
        return time.monotonic() - died

    return asyncio.create_task(rescued(), name=f"rescue {len(jobs)}")


def numbers_of(worker: Program) -> list[int]:
    """Under which numbers the queue knows, or knew, the process that runs or ran last."""
    lines = (line.split() for line in worker.said().splitlines() if line.startswith(f"{NUMBERED} "))
    return [int(number) for _, pid, number in lines if int(pid) == worker.pid]


async def freeze_worker(world: World) -> None:
    """A worker stands still for so long that it is taken for dead, and comes back."""
    world.workers[0].freeze()
    await asyncio.sleep(FROZEN_SECONDS)
    world.workers[0].thaw()
