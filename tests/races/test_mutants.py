"""The races are worth something: each is lost as soon as the statement that it guards is made read-then-write."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from tests.races.arena import Arena
from tests.races.mutants import MUTANTS, Mutant, Race, replaced
from tests.races.proof import Lost, prove

pytestmark = pytest.mark.races
# Where others take the machine, two claims seldom meet; a bug that is never seen is what takes so long.
TRIES = 150
TOGETHER = 4
PATIENCE_SECONDS = 20
FIRST = dict.fromkeys(mutant.seen_by[0] for mutant in MUTANTS.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One race for each mutant; with --rounds=full all that have to see it."""
    if "mutant" in metafunc.fixturenames:
        full = metafunc.config.getoption("--rounds") == "full"
        cases = [
            (mutant, race, f"{race.__name__}: {name}") for name, mutant in MUTANTS.items() for race in mutant.seen_by
        ]
        chosen = [case for case in cases if full or case[0].seen_by[0] is case[1]]
        metafunc.parametrize(("mutant", "race"), [case[:2] for case in chosen], ids=[case[2] for case in chosen])


async def lost(arena: Arena, race: Race) -> str:
    """How the race was lost, at the latest after some tries; nothing when it never was."""
    before = asyncio.all_tasks()
    for _ in range(TRIES):
        try:
            await asyncio.gather(*(race(arena) for _ in range(TOGETHER)))
            await prove(arena)
        except (Lost, DBAPIError) as found:
            # Rounds beside the lost one, and claims of that, are still under way.
            if stray := asyncio.all_tasks() - before:
                await asyncio.wait(stray, timeout=PATIENCE_SECONDS)
            return str(found)
    return ""


async def test_the_race_is_lost(
    glass: Arena, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, mutant: Mutant, race: Race
) -> None:
    async with glass.pool.acquire() as connection, replaced(connection, mutant, monkeypatch):
        found = await lost(glass, race)
    print(f"\n{request.node.callspec.id}\n    {found[:200]}")  # noqa: T201 - with -s: what was seen
    assert found


@pytest.mark.parametrize("race", FIRST, ids=lambda race: race.__name__)
async def test_the_race_is_won_here_too(glass: Arena, race: Race) -> None:
    """The same checks in the same arena, nothing broken: what they see is the mutant and not the arena."""
    for _ in range(3):
        await race(glass)
    await prove(glass)
