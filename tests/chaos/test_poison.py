"""R14: jobs that raise, hang, eat memory or kill their worker are put aside; healthy jobs hardly notice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from app.jobs.service import MAX_CRASHES
from app.settings import Settings
from tests.chaos.programs import Program
from tests.chaos.proving import percentile, prove
from tests.chaos.results import Goals
from tests.chaos.settling import hurry_rescue
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.alone, pytest.mark.shows("R14")]
POISON = ("probe:raise", "probe:hang", "probe:die", "probe:grow")
DEADLY = ("probe:die", "probe:grow")
PAUSE_SECONDS = 0.1
# Jobs of one worker.
AT_ONCE = next(field.default for field in msgspec.structs.fields(Settings) if field.name == "worker_concurrency")
_DEFER = """
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW('default', $1, 0, NULL, NULL, $2::jsonb, NULL)::procrastinate_job_to_defer_v1])
"""
_STARTS = """
    SELECT j.args ->> 'label' AS label, count(*) AS starts FROM procrastinate_events e
      JOIN procrastinate_jobs j ON j.id = e.job_id
     WHERE e.type = 'started' AND j.task_name = ANY($1) GROUP BY 1
"""
_OPEN = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = ANY($1) AND status IN ('todo', 'doing')"
# From the wish to the end, in seconds.
_DELAYS = """
    SELECT extract(epoch FROM max(at) FILTER (WHERE type = 'succeeded') - min(at) FILTER (WHERE type = 'deferred'))
      FROM procrastinate_events e JOIN procrastinate_jobs j ON j.id = e.job_id
     WHERE j.task_name = 'probe:healthy' AND j.args ->> 'label' LIKE $1 || '%' GROUP BY e.job_id
"""


@pytest.fixture
async def kept(world: World) -> AsyncIterator[World]:
    """Whoever keeps the programs running starts a worker again when it ends."""
    keeper = asyncio.create_task(_keep(world.workers))
    yield world
    keeper.cancel()
    await world.ready()


async def _keep(workers: list[Program]) -> None:
    while True:
        for worker in workers:
            if not worker.runs:
                await worker.start()
        # As a supervisor that learns of an end at once.
        await asyncio.sleep(0.02)


async def defer(world: World, task: str, label: str) -> None:
    await world.sql(_DEFER, task, msgspec.json.encode({"label": label}).decode())


@asynccontextmanager
async def steady(world: World, name: str) -> AsyncIterator[list[str]]:
    """Healthy jobs one after the other, until the block ends; their labels."""
    labels: list[str] = []

    async def go_on() -> None:
        while True:
            label = f"{name} {len(labels)}"
            await defer(world, "probe:healthy", label)
            labels.append(label)
            await asyncio.sleep(PAUSE_SECONDS)

    task = asyncio.create_task(go_on())
    yield labels
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def delays(world: World, name: str) -> list[float]:
    """Of all healthy jobs of this name, when they have all ended."""

    async def over() -> bool:
        return not await world.value(_OPEN, ["probe:healthy"])

    await world.until(over, "the healthy jobs end", 90.0, 0.5)
    return [float(row[0]) for row in await world.sql(_DELAYS, name)]


async def test_poison(kept: World, goals: Goals, full_rounds: bool) -> None:
    world, each, usual = kept, 5 if full_rounds else 1, 20.0 if full_rounds else 2.0
    kinds = POISON if full_rounds else POISON[::2]
    async with steady(world, "before"):
        await asyncio.sleep(usual)
    before = await delays(world, "before")
    async with steady(world, "beside") as labels:
        for task in kinds:
            for number in range(each):
                await defer(world, task, f"{task} {number}")

        async def put_aside() -> bool:
            if not full_rounds:
                await hurry_rescue(world)
            return not await world.value(_OPEN, list(kinds))

        took = await world.until(put_aside, "every poison is put aside", 540.0, 0.5)
    beside = await delays(world, "beside")
    wrong = await _wrong(world, labels, kinds, each)
    slow, usually = percentile(beside, 0.95), percentile(before, 0.95)
    figure = (
        f"{len(kinds) * each} poison jobs put aside in {took:.0f} s; p95 of {len(beside)} healthy ones "
        f"{slow * 1000:.0f} ms, {usually * 1000:.0f} ms before; {len(wrong)} odd"
    )
    held = not wrong and (slow <= 2 * usually or not full_rounds)
    goals.note("R14", "poison jobs: put aside after 3 crashes, healthy jobs' p95 <= 2x", figure, held=held)
    assert held, (figure, wrong)
    await prove(world)


async def _wrong(world: World, labels: list[str], kinds: Sequence[str], each: int) -> list[Any]:
    """Poison that ran too often or too rarely, or did not end as failed; healthy jobs that never ran, or too often."""
    marks = Counter(row[0] for row in await world.sql("SELECT label FROM chaos_mark"))
    begun = Counter({row["label"]: row["starts"] for row in await world.sql(_STARTS, [*kinds, "probe:healthy"])})
    # Whoever was killed by a neighbour between its work and the record of its end runs again, and has begun again.
    wrong: list[Any] = [
        (label, marks[label], begun[label]) for label in labels if not 1 <= marks[label] <= begun[label]
    ]
    killed = sum(begun[f"{task} {number}"] for task in kinds if task in DEADLY for number in range(each))
    again = sum(marks[label] - 1 for label in labels)
    wrong += [("ran again", again)] if again > killed * AT_ONCE else []
    for task in kinds:
        # What waits or hangs beside a job that kills the worker has runs that were cut off, beside its own two.
        most = MAX_CRASHES if task in DEADLY else 2 + MAX_CRASHES - 1
        runs = {f"{task} {number}": marks[f"{task} {number}"] for number in range(each)}
        wrong += [run for run in runs.items() if not 1 <= run[1] <= most]
        # Who was killed by a neighbour before it could write has begun all the same.
        least = MAX_CRASHES if task in DEADLY else 2
        wrong += [(label, "begun", begun[label]) for label in runs if not least <= begun[label] <= most]
    ended = await world.sql(
        "SELECT task_name, args, status::text FROM procrastinate_jobs WHERE task_name = ANY($1) AND status <> 'failed'",
        list(kinds),
    )
    return wrong + [tuple(row) for row in ended]
