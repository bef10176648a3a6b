"""The stock beside a model of it: the same done to both, in any order, and compared after every step."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from app.domain.promos.service.claims import ClaimEngine
from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from tests.chaos.results import Goals
from tests.conftest import empty
from tests.races.conftest import standing
from tests.races.model import StockMachine, World
from tests.races.mutants import INVENTORY, NO_RECLAIM, PROMOS, broken, source
from tests.races.proof import prove

pytestmark = pytest.mark.races
STEPS = 50
# Runs end early now and then: more of them than fifty thousand steps need.
QUICK_RUNS, FULL_RUNS = 60, 1300
FULL_STEPS = 50_000
# Not a race, but arithmetic: what is broken here is wrong for one buyer alone.
BROKEN = [
    (INVENTORY, NO_RECLAIM),
    (INVENTORY, (("COALESCE(sum(stock_own(c.id)), 0)", "0"),)),
    (PROMOS, (("PERFORM stock_put(pool, given);", "PERFORM stock_put(pool, given + 1);"),)),
]


@contextmanager
def world_on(database: str) -> Iterator[World]:
    """The real stock, with an event loop of its own."""
    announce(JOBS)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        stack = AsyncExitStack()
        arena = runner.run(stack.enter_async_context(standing(database, [])))
        runner.run(arena.furnish())
        engine = ClaimEngine(database, hold_seconds=3600)
        try:
            yield World(runner, arena, engine)
        finally:
            runner.run(engine.close())
            runner.run(stack.aclose())


def play(world: World, **chosen: Any) -> None:
    class Machine(StockMachine):
        pass

    Machine.world = world
    rules = settings(
        stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=list(HealthCheck), **chosen
    )
    run_state_machine_as_test(Machine, settings=rules)


@pytest.mark.shows("R2")
def test_the_stock_is_what_the_model_says(glass_database: str, full_rounds: bool, goals: Goals) -> None:
    before = StockMachine.steps
    with world_on(glass_database) as world:
        play(world, max_examples=FULL_RUNS if full_rounds else QUICK_RUNS, derandomize=not full_rounds)
        world.do(prove(world.arena))
    steps = StockMachine.steps - before
    enough = steps >= (FULL_STEPS if full_rounds else QUICK_RUNS)
    goals.note("R2", "model of the stock: >= 50,000 steps, compared after each", f"{steps} steps", held=enough)
    assert enough, steps


@pytest.mark.parametrize(("file", "pieces"), BROKEN, ids=["no reclaim", "what closed is forgotten", "a unit too many"])
def test_the_model_sees_what_is_broken(glass_database: str, file: str, pieces: tuple[tuple[str, str], ...]) -> None:
    with world_on(glass_database) as world:
        world.do(world.arena.pool.execute(broken(file, pieces)))
        try:
            # The first failure is enough: no shorter one is looked for.
            with pytest.raises(AssertionError):
                play(world, max_examples=QUICK_RUNS, derandomize=True, phases=[Phase.generate])
        finally:
            world.do(world.arena.pool.execute(source(file)))
            world.do(empty(glass_database))
