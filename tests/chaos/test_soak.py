"""R20: minutes of steady load: nothing grows, nothing fails."""

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.chaos.client import Client
from tests.chaos.journal import Journal
from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.alone, pytest.mark.full_only, pytest.mark.shows("R20")]
# Of the peak: what is wanted, and what counts as that.
SHARE, LEAST, MOST = 0.7, 0.6, 0.85
SIZE = 16
CATCH_UP_SECONDS = 1.0
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
    peak = await _peak(world, mall, seed, 20.0)
    client = Paced(world.doors, world.journal, SHARE * peak)
    programs = [*world.apis, *world.workers]
    samples: dict[str, list[tuple[float, int]]] = {program.name: [] for program in programs}
    dead: list[int] = []
    begun = time.monotonic()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        crowd = await stack.enter_async_context(Crowd(world, mall, seed, size=SIZE, pause=0.0, client=client))
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
    held = held and steepest <= SLOPE_PERCENT and LEAST <= rate / peak <= MOST
    goals.note("R20", "soak at 70 % load: memory <= +1 %/min, dead rows bounded, 0 errors", figure, held=held)
    assert held, (figure, {name: (taken[0], taken[-1]) for name, taken in warm.items()})


class Paced(Client):
    """Sends so many requests a second, whoever of the crowd it is that asks."""

    def __init__(self, doors: Sequence[str], journal: Journal, rate: float) -> None:
        super().__init__(doors, journal)
        self._every, self._next = 1 / rate, time.monotonic()

    async def send(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> httpx.Response:
        """When it is its turn; a second's delay is made up for."""
        now = time.monotonic()
        self._next = max(self._next + self._every, now - CATCH_UP_SECONDS)
        await asyncio.sleep(self._next - now)
        return await super().send(method, path, headers, body)


async def _peak(world: World, mall: Mall, seed: int, seconds: float) -> float:
    """Calls a second when nobody pauses."""
    async with Crowd(world, mall, seed, size=SIZE, pause=0.0) as crowd:
        begun, before = time.monotonic(), crowd.calls
        while time.monotonic() - begun < seconds:
            await crowd.busy(50)
        return (crowd.calls - before) / (time.monotonic() - begun)
