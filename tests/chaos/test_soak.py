"""R20: minutes of steady load: nothing grows, nothing fails."""

import os
import statistics
import time
from pathlib import Path

import pytest

from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.alone, pytest.mark.full_only, pytest.mark.shows("R20")]
SHARE = 0.7
SIZE = 16
WARM_SHARE = 0.3
DEAD_ROWS = 10_000
SLOPE_PERCENT = 1.0
_DEAD = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'procrastinate_jobs'"


def resident(pid: int) -> int:
    """A process's memory in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def slope(samples: list[tuple[float, int]]) -> float:
    """By how many percent a minute something grew, by the line that fits best."""
    times, values = [at / 60 for at, _ in samples], [float(value) for _, value in samples]
    return 100 * statistics.linear_regression(times, values).slope / statistics.fmean(values)


async def test_soak(world: World, mall: Mall, seed: int, goals: Goals) -> None:
    seconds, since = 480.0, len(world.journal.calls)
    peak, latency = await _peak(world, mall, seed, 20.0)
    pause = max(SIZE / (SHARE * peak) - latency, 0.0)
    programs = [*world.apis, *world.workers]
    samples: dict[str, list[tuple[float, int]]] = {program.name: [] for program in programs}
    dead: list[int] = []
    begun = time.monotonic()
    async with Crowd(world, mall, seed, size=SIZE, pause=pause) as crowd:
        while (at := time.monotonic() - begun) < seconds:
            await crowd.busy(40)
            for program in programs:
                samples[program.name].append((at, resident(program.pid)))
            dead.append(int(await world.value(_DEAD)))
        rate = crowd.calls / (time.monotonic() - begun)
    warm = {name: [one for one in taken if one[0] > WARM_SHARE * seconds] for name, taken in samples.items()}
    steepest = max(slope(taken) for taken in warm.values())
    failed = {name: n for name, n in crowd.client.statuses.items() if n and not name.startswith(("2", "4"))}
    await prove(world, crowd.client)
    figure = (
        f"{seconds:.0f} s at {rate:.0f}/s ({rate / peak:.0%} of {peak:.0f}/s), memory {steepest:+.2f} %/min at most, "
        f"at most {max(dead)} dead rows of jobs, failed: {failed or 'none'}"
    )
    held = not failed and max(dead) <= DEAD_ROWS and unknown(world, since) == 0
    held = held and steepest <= SLOPE_PERCENT
    goals.note("R20", "soak at 70 % load: memory <= +1 %/min, dead rows bounded, 0 errors", figure, held=held)
    assert held, (figure, {name: (taken[0], taken[-1]) for name, taken in warm.items()})


async def _peak(world: World, mall: Mall, seed: int, seconds: float) -> tuple[float, float]:
    """Calls a second when nobody pauses, and how long a call takes then."""
    async with Crowd(world, mall, seed, size=SIZE, pause=0.0) as crowd:
        begun, before = time.monotonic(), crowd.calls
        while time.monotonic() - begun < seconds:
            await crowd.busy(50)
        rate = (crowd.calls - before) / (time.monotonic() - begun)
    return rate, SIZE / rate
