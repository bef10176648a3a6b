"""A hold ends once: as an order, by its buyer's word, or by the clock."""

import asyncio
import time

import pytest

from app.domain.promos.service.claims import Ask, ClaimEngine
from tests.races import ending
from tests.races.arena import Arena
from tests.races.buying import GRANTED, SHORT
from tests.races.conftest import Crowd, Repeat, Round
from tests.races.proof import expect, prove

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]


async def test_checkout_against_cancel(repeat: Repeat) -> None:
    await repeat(ending.check_out_or_cancel, together=5)


async def test_cancels_of_one_hold(repeat: Repeat) -> None:
    await repeat(ending.many_cancels, together=4)


async def test_twenty_checkouts_make_one_order(repeat: Repeat) -> None:
    await repeat(ending.many_checkouts)


@pytest.mark.parametrize(
    "one_round",
    [ending.check_out_or_cancel, ending.many_cancels, ending.many_checkouts],
    ids=lambda each: each.__name__,
)
async def test_a_crowd_at_one_hold(arena: Arena, crowd: Crowd, one_round: Round) -> None:
    await crowd.play(arena, one_round, prove)


async def test_checkout_against_expiry(arena: Arena, repeat: Repeat, full_rounds: bool) -> None:
    orders = "SELECT count(*) FROM orders"
    before = await arena.pool.fetchval(orders)
    await repeat(ending.check_out_at_the_deadline, together=10, times=500 if full_rounds else 20)
    bought = await arena.pool.fetchval(orders) - before
    # Where so many run, each of the two must have won some: else it was no race.
    assert not full_rounds or 0 < bought < 500


async def test_a_late_buyer_leaves_the_next_one_alone(repeat: Repeat) -> None:
    await repeat(ending.late_buyer, together=4)


async def test_nothing_waits_for_the_worker(repeat: Repeat) -> None:
    await repeat(ending.without_a_worker, together=4)


async def test_units_that_come_and_go_all_the_time(repeat: Repeat, full_rounds: bool) -> None:
    await repeat(ending.steady_coming_and_going, times=20 if full_rounds else 2)


async def test_a_hold_is_over_at_its_instant(arena: Arena, race_database: str, rounds: int) -> None:
    """With a hold of one real second: refused until it is over, granted from then on, by the clock alone."""
    engine = ClaimEngine(race_database, hold_seconds=1)

    async def one(n: int) -> None:
        shop = await arena.open_shop(1)
        verdict = await engine.claim(Ask(arena.buyers[2 * n].id, 0, shop.promo, 1))
        assert verdict.grant is not None
        over = verdict.grant.expires_at.timestamp()
        while (claim := await arena.reserve(arena.buyers[2 * n + 1], shop.promo)).status == 409:
            expect([claim], SHORT)
            assert claim.sent_at < over
            await asyncio.sleep(0.05 if time.time() + 0.1 < over else 0.002)
        expect([claim], GRANTED)
        assert claim.answered_at > over

    try:
        for _ in range(max(rounds // 50, 1)):
            await asyncio.gather(*(one(n) for n in range(min(rounds, 50))))
        await prove(arena)
    finally:
        await engine.close()
