"""Orders on two processes: every unit, coupon and key has one owner, and what comes back comes back once."""

from collections.abc import AsyncIterator

import pytest

from app.jobs.queue import announce
from app.jobs.schedule import JOBS
from tests.conftest import SECRET, fresh_database
from tests.races import ordering
from tests.races.arena import Arena
from tests.races.conftest import Crowd, Round, play, standing
from tests.races.servers import api_processes, environment

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]

ROUNDS = [
    ordering.last_unit,
    ordering.enough_for_all,
    ordering.refused_buyers,
    ordering.crossing,
    ordering.twice_in_one_order,
    ordering.cancelled_many_times,
    ordering.shipped_or_cancelled,
    ordering.revived_or_sold,
    ordering.last_coupon,
    ordering.coupons_given_back,
    ordering.applied_at_once,
    ordering.coupon_deleted,
    ordering.one_key,
    ordering.lines_and_cancelling,
]
CROWDED = [ordering.coupons_given_back, ordering.applied_at_once, ordering.one_use_of_a_buyer, ordering.one_key]


@pytest.fixture(scope="module")
async def orders_arena(worker_name: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """Two processes on a database that sells by orders alone. At the end: no word, no deadlock."""
    announce(JOBS)  # the clock's part of a race is played in this process
    folder = tmp_path_factory.mktemp("ordering")
    logs = [folder / "api-1.log", folder / "api-2.log"]
    async with (
        fresh_database(f"ordering_{worker_name}") as url,
        api_processes(environment(url, SECRET, folder), logs) as doors,
        standing(url, doors) as arena,
    ):
        await arena.furnish()
        yield arena
        assert await arena.deadlocks() == 0
    assert [log.read_text(encoding="utf-8") for log in logs] == ["", ""]


@pytest.mark.parametrize("one_round", ROUNDS, ids=lambda each: each.__name__)
async def test_orders(orders_arena: Arena, rounds: int, one_round: Round) -> None:
    await play(orders_arena, one_round, ordering.prove, rounds)


@pytest.mark.parametrize("one_round", CROWDED, ids=lambda each: each.__name__)
async def test_a_crowd_at_one_coupon_or_key(orders_arena: Arena, crowd: Crowd, one_round: Round) -> None:
    await crowd.play(orders_arena, one_round, ordering.prove)
