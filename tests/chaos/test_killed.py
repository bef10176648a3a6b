"""R4 and R5: kill -9 of API processes and of workers, and workers that are frozen and thawed, in mixed load."""

import asyncio
import random

import pytest

from tests.chaos.blows import RESCUE_SECONDS, freeze_worker, kill_api, kill_worker
from tests.chaos.proving import prove, unknown
from tests.chaos.results import Goals
from tests.chaos.shoppers import Crowd, Mall
from tests.chaos.world import World

pytestmark = [pytest.mark.races, pytest.mark.full_only]
SLOW_PROVIDER = {"provider": "mercadopago", "delay_seconds": 0.3, "times": 1_000_000, "method": "GET"}
SLOW_MAIL = {"provider": "smtp", "delay_seconds": 0.3, "times": 1_000_000}


@pytest.mark.shows("R4")
async def test_an_api_process_is_killed(world: World, mall: Mall, seed: int, goals: Goals) -> None:
    kills = 100
    chance, since = random.Random(seed), len(world.journal.calls)
    async with Crowd(world, mall, seed) as crowd:
        for _ in range(kills):
            await crowd.busy(chance.randint(10, 80))
            await kill_api(world, chance)
    report = await prove(world, crowd.client)
    lost = unknown(world, since)
    retried = sum(call.tries > 1 for call in world.journal.calls[since:])
    figure = f"{kills} kills, {len(world.journal.calls) - since} calls, {retried} asked again, {lost} without a verdict"
    held = lost == 0 and retried > 0
    goals.note("R4", "kill -9 of API processes: nothing lost or double, all retries converge", figure, held=held)
    assert held, (figure, report.counts)


@pytest.mark.shows("R5")
async def test_a_worker_is_killed_or_frozen(world: World, mall: Mall, seed: int, goals: Goals) -> None:
    kills, freezes = 50, 10
    chance, since, copies = random.Random(seed), len(world.journal.calls), await copies_of_mails(world)
    rescues: list[asyncio.Task[float]] = []
    async with Crowd(world, mall, seed) as crowd:
        # Providers take a while, so that whoever dies was in the middle of something.
        for fault in (SLOW_PROVIDER, SLOW_MAIL):
            await world.tell("/__emu__/faults", fault)
        for turn in range(kills):
            await crowd.busy(chance.randint(20, 60))
            if turn * freezes // kills != (turn + 1) * freezes // kills:
                await freeze_worker(world)
            rescues.append(await kill_worker(world, chance.randrange(2)))
            await asyncio.sleep(1.0)
    slowest = max(await asyncio.gather(*rescues))
    await world.tell("/__emu__/faults/clear")
    report = await prove(world, crowd.client, hurry=False)
    interrupted = sum(bool(task.get_name().partition(" ")[2] != "0") for task in rescues)
    # Whoever receives them knows them by their Message-ID, and everything else would have been found by now.
    copies = await copies_of_mails(world) - copies
    figure = (
        f"{kills} kills ({interrupted} amid jobs), {freezes} frozen, rescued after at most {slowest:.0f} s, "
        f"0 doubles at the providers, but for {copies} mails sent again under one Message-ID"
    )
    held = unknown(world, since) == 0 and slowest <= RESCUE_SECONDS and interrupted > 0
    goals.note(
        "R5", "kill -9 and freezing of workers: no job lost, each effect once, rescue <= 60 s", figure, held=held
    )
    assert held, (figure, report.counts)


async def copies_of_mails(world: World) -> int:
    """How many mails have arrived that were there already."""
    mails = await world.told("/__emu__/mails")
    return len(mails) - len({mail["message_id"] for mail in mails})
