"""Carts on two processes: linked once, converted once, recovered once, and never somebody else's."""

from collections.abc import AsyncIterator

import pytest

from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from tests.conftest import SECRET, fresh_database
from tests.races import carting
from tests.races.arena import Arena
from tests.races.conftest import Crowd, Round, play, standing
from tests.races.servers import api_processes, environment

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]

ROUNDS = [
    carting.two_logins,
    carting.two_people,
    carting.a_login_and_an_update,
    carting.conversions,
    carting.two_tabs_order,
    carting.an_update_and_a_conversion,
    carting.recoveries,
    carting.a_recovery_and_a_return,
    carting.ordered_before_the_cut_off,
    carting.comes_and_goes,
]
CROWDED = [carting.two_logins, carting.conversions, carting.two_tabs_order, carting.recoveries]


@pytest.fixture(scope="module")
async def carts_arena(worker_name: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """Two processes on a database whose orders come from carts. At the end there has been no word and no deadlock."""
    announce(JOBS)  # the clock's part of a race is played in this process
    folder = tmp_path_factory.mktemp("carting")
    logs = [folder / "api-1.log", folder / "api-2.log"]
    async with (
        fresh_database(f"carting_{worker_name}") as url,
        api_processes(environment(url, SECRET, folder), logs) as doors,
        standing(url, doors) as arena,
    ):
        await arena.furnish()
        yield arena
        assert await arena.deadlocks() == 0
    assert [log.read_text(encoding="utf-8") for log in logs] == ["", ""]


@pytest.mark.parametrize("one_round", ROUNDS, ids=lambda each: each.__name__)
async def test_carts(carts_arena: Arena, rounds: int, one_round: Round) -> None:
    await play(carts_arena, one_round, carting.prove, rounds)


@pytest.mark.parametrize("one_round", CROWDED, ids=lambda each: each.__name__)
async def test_a_crowd_at_one_cart(carts_arena: Arena, crowd: Crowd, one_round: Round) -> None:
    await crowd.play(carts_arena, one_round, carting.prove)
