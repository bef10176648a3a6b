"""Races for the end of a hold: bought, let go, or over. Each function is one round and raises Lost when it is lost."""

import asyncio
import random
import time
from collections.abc import Awaitable
from functools import partial
from typing import Any

from tests.races.arena import Answer, Arena, Buyer, patient
from tests.races.buying import GRANTED, SAME_HOLD, SHORT
from tests.races.proof import expect, hold_that

DONE = (200, "")
CONFIRMED = (409, "hold_confirmed")
CANCELLED = (409, "hold_cancelled")
EXPIRED = (409, "hold_expired")
# Rounds that run together get this long to be ready before the first deadline.
NOTICE_SECONDS = 0.3
JITTER_SECONDS = 0.03


async def at(instant: float, act: Awaitable[Any]) -> Any:
    await asyncio.sleep(max(instant - time.time(), 0))
    return await act


async def check_out_or_cancel(arena: Arena, crowd: int = 4) -> None:
    """Some tabs buy, some let go: all agree on what became, and the unit is sold or free, never both."""
    shop = await arena.open_shop(3)
    buyer = random.choice(arena.buyers)
    hold = await arena.reserve(buyer, shop.promo)
    expect([hold], GRANTED)
    acts = [partial((arena.check_out, arena.cancel)[n % 2], buyer, hold.token) for n in range(crowd)]
    random.shuffle(acts)
    answers = await asyncio.gather(*map(patient, acts))
    ends = {answer.body["status"] for answer in answers if answer.status == 200}
    hold_that(len(ends) == 1, f"it ended as {ends}")
    sold = ends == {"confirmed"}
    expect(answers, DONE, CONFIRMED if sold else CANCELLED)
    hold_that(len({answer.body["order"] for answer in answers if answer.status == 200}) == 1, "two answers differ")
    hold_that(await arena.sold(shop.pool_id) == sold, "an order for a hold that was let go")
    hold_that(await arena.free(shop.pool_id) == 3 - sold, "the stock is not what the answers say")


async def many_cancels(arena: Arena, crowd: int = 8) -> None:
    """However often a hold is let go, its units come back once."""
    shop = await arena.open_shop(4, limit=2)
    buyer = random.choice(arena.buyers)
    hold = await arena.reserve(buyer, shop.promo, 2)
    answers = await asyncio.gather(*(patient(partial(arena.cancel, buyer, hold.token)) for _ in range(crowd)))
    expect(answers, DONE)
    hold_that({answer.body["status"] for answer in answers} == {"cancelled"}, "not all were told the same")
    hold_that(await arena.free(shop.pool_id) == 4, "not two units came back")


async def many_checkouts(arena: Arena, crowd: int = 20) -> None:
    """Twenty checkouts of one token: one order, and all answers name it."""
    shop = await arena.open_shop(4, limit=2)
    buyer = random.choice(arena.buyers)
    hold = await arena.reserve(buyer, shop.promo, 2)
    answers = await asyncio.gather(*(patient(partial(arena.check_out, buyer, hold.token)) for _ in range(crowd)))
    expect(answers, DONE)
    said = {(answer.body["status"], answer.body["order"], answer.body["id"]) for answer in answers}
    hold_that(len(said) == 1, f"the answers differ: {said}")
    orders = await arena.pool.fetchval("SELECT count(*) FROM orders WHERE store_id = $1", shop.store_id)
    hold_that(orders == 1, f"{orders} orders were made")
    hold_that(await arena.free(shop.pool_id) == 2, "the stock is not what it was less two units")


async def check_out_at_the_deadline(arena: Arena) -> None:
    """At the instant at which the hold is over its buyer pays, somebody else claims, and the sweep comes by."""
    shop = await arena.open_shop(1)
    buyer, rival = random.sample(arena.buyers, 2)
    hold = await arena.reserve(buyer, shop.promo)
    expect([hold], GRANTED)
    await arena.move_deadline(hold.token, NOTICE_SECONDS)
    deadline = time.time() + NOTICE_SECONDS
    near = [deadline + random.uniform(-JITTER_SECONDS, JITTER_SECONDS) for _ in range(4)]
    sale, claim, *_ = await asyncio.gather(
        at(near[0], arena.check_out(buyer, hold.token)),
        at(near[1], arena.reserve(rival, shop.promo)),
        at(near[2], arena.sweep()),
        at(near[3], arena.sweep()),
    )
    expect([sale], DONE, EXPIRED)
    expect([claim], GRANTED, SHORT)
    await _one_of_both(arena, hold, sale, claim, rival)


async def _one_of_both(arena: Arena, hold: Answer, sale: Answer, claim: Answer, rival: Buyer) -> None:
    """There is an order, or the unit is back: for whoever asks next, at once."""
    promo, bought = hold.body["promo"], sale.status == 200
    hold_that(not (bought and claim.status == 201), "one unit was bought, and held by somebody else")
    late = await arena.reserve(rival, promo)
    if bought:
        expect([late], SHORT)
    else:
        expect([late], SAME_HOLD if claim.status == 201 else GRANTED)
    buyer = Buyer(hold.buyer, arena.signed_in(hold.buyer))
    again = await arena.check_out(buyer, hold.token)
    hold_that((again.status, again.code) == (sale.status, sale.code), f"first {sale}, then {again}")
    statement = "SELECT count(*) FROM reservation_finished WHERE promo_id = $1 AND status = 'confirmed'"
    hold_that(await arena.pool.fetchval(statement, promo) == bought, "the order is not what was answered")


async def late_buyer(arena: Arena) -> None:
    """Whose hold is over can neither buy nor let go what somebody else holds by now."""
    shop = await arena.open_shop(1)
    late, other = random.sample(arena.buyers, 2)
    first = await arena.reserve(late, shop.promo)
    expect([first], GRANTED)
    await arena.move_deadline(first.token, -0.001)
    second, sale, end, _ = await asyncio.gather(
        arena.reserve(other, shop.promo),
        arena.check_out(late, first.token),
        arena.cancel(late, first.token),
        arena.sweep(),
    )
    expect([second], GRANTED)
    expect([sale], EXPIRED)
    expect([end], DONE)
    hold_that(end.body["status"] == "expired", f"it ended as {end.body['status']}")
    expect([await arena.check_out(late, first.token)], EXPIRED)
    expect([await arena.cancel(late, first.token)], DONE)
    expect([await arena.cancel(late, second.token), await arena.check_out(late, second.token)], (404, ""))
    hold_that(
        (await arena.held(shop.pool_id), await arena.free(shop.pool_id)) == (1, 0), "the other's hold was touched"
    )
    expect([await arena.check_out(other, second.token)], DONE)


async def without_a_worker(arena: Arena) -> None:
    """A hold that is 61 seconds old is nobody's, though nothing has swept it: it is listed, held and sold."""
    shop = await arena.open_shop(2, limit=2)
    first, second, third = random.sample(arena.buyers, 3)
    hold = await arena.reserve(first, shop.promo, 2)
    expect([hold], GRANTED)
    listed = await arena.listed(second, shop.promo)
    hold_that((listed["stock"], listed["units_left"]) == (0, 0), f"held units are listed as free: {listed}")
    await arena.pool.execute(
        "UPDATE reservation SET created_at = created_at - interval '61 s', expires_at = expires_at - interval '61 s'"
        " WHERE promo_id = $1",
        shop.promo,
    )
    listed = await arena.listed(second, shop.promo)
    hold_that((listed["stock"], listed["units_left"]) == (2, 2), f"units that nobody holds are not listed: {listed}")
    listed = await arena.listed(first, shop.promo)
    hold_that(listed["units_left"] == 2, f"the first buyer may not hold again: {listed}")
    answers = await asyncio.gather(arena.reserve(second, shop.promo), arena.reserve(third, shop.promo))
    expect(answers, GRANTED)
    expect([await arena.reserve(first, shop.promo)], SHORT)
    expect([await arena.check_out(first, hold.token)], EXPIRED)


async def steady_coming_and_going(arena: Arena, seconds: float = 1.0) -> None:
    """Few units, holds that are over as soon as they are made, sweeps all the time: every claim has its answer."""
    shop = await arena.open_shop(4)
    until = time.time() + seconds

    async def buyer(who: Buyer) -> list[Answer]:
        answers = []
        while time.time() < until:
            answers.append(await arena.reserve(who, shop.promo))
            if answers[-1].status == 201:
                await arena.move_deadline(answers[-1].token, random.uniform(-0.01, 0.02))
        return answers

    async def sweeper() -> list[Answer]:
        while time.time() < until:
            await arena.sweep()
            await asyncio.sleep(0.01)
        return []

    everything = await asyncio.gather(*(buyer(who) for who in arena.buyers[:24]), sweeper())
    expect([answer for answers in everything for answer in answers], GRANTED, SAME_HOLD, SHORT)
