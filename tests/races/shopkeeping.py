"""Races between buyers and the people who run the shop. Each function is one round and raises Lost when it is lost."""

import asyncio
import random
from collections.abc import Sequence

from tests.races.arena import Answer, Arena, Buyer, Shop
from tests.races.buying import GRANTED, SHORT, granted
from tests.races.ending import DONE, at
from tests.races.proof import expect, hold_that, prove_refusals

NOT_ACTIVE = (409, "promo_not_active")
NOTICE_SECONDS = 0.05


async def whole(arena: Arena, shop: Shop, *pools: int) -> int:
    """Units free, held and sold in a shop's pool and in those set aside from it: what was there at the beginning."""
    parts = [await arena.free(shop.pool_id)]
    for pool in (shop.pool_id, *pools):
        parts += [await arena.held(pool), await arena.sold(pool)]
    return sum(parts)


async def set_aside_pool(arena: Arena, promo: int) -> int:
    return int(await arena.pool.fetchval("SELECT pool_id FROM flash_promo WHERE id = $1", promo))


async def stock_is_written(arena: Arena) -> None:
    """Staff write how many are free while 29 of 30 are held: the holds stay, and still end as they should."""
    shop = await arena.open_shop(30)
    holds = granted(await arena.reserve_all(arena.buyers[:29], shop.promo))
    hold_that(len(holds) == 29, f"{len(holds)} of 29 holds")
    written = await arena.write_stock(shop, 80)
    expect([written], DONE)
    hold_that(written.body["stock"] == 80, f"80 were written, and {written.body['stock']} read")
    hold_that((await arena.free(shop.pool_id), await arena.held(shop.pool_id)) == (80, 29), "holds were touched")
    ends = [arena.cancel(arena.buyers[n], hold.token) for n, hold in enumerate(holds[:10])]
    ends += [arena.check_out(arena.buyers[n], hold.token) for n, hold in enumerate(holds[10:15], 10)]
    claims = [arena.reserve(buyer, shop.promo) for buyer in arena.buyers[50:65]]
    answers = await asyncio.gather(*ends, *claims, arena.write_stock(shop, 40), arena.write_stock(shop, 20))
    expect(answers, DONE, GRANTED)
    last = await arena.write_stock(shop, 7)
    expect([last], DONE)
    held = (await arena.free(shop.pool_id), await arena.held(shop.pool_id), await arena.sold(shop.pool_id))
    hold_that(held == (7, 29 - 15 + 15, 5), f"free, held and sold are {held}")


async def stock_is_taken_away(arena: Arena) -> None:
    """Staff write that nothing is left while buyers claim: what was granted before stays, nothing after it is given."""
    shop = await arena.open_shop(300)
    writing = asyncio.create_task(arena.write_stock(shop, 0))
    lines = [arena.buyers[n::6] for n in range(6)]
    answers = [
        one for line in await asyncio.gather(*(_until(arena, writing, line, shop) for line in lines)) for one in line
    ]
    expect([await writing], DONE)
    expect(answers, GRANTED, SHORT)
    state = (await arena.free(shop.pool_id), await arena.held(shop.pool_id))
    hold_that(state == (0, len(granted(answers))), f"free and held are {state}")


async def _until(arena: Arena, done: "asyncio.Task[Answer]", buyers: Sequence[Buyer], shop: Shop) -> list[Answer]:
    """Buyers claim, one after the other, until something has happened, and one more then."""
    answers = []
    for buyer in buyers:
        over = done.done()
        answers.append(await arena.reserve(buyer, shop.promo))
        if over:
            break
    return answers


async def promo_is_cancelled(arena: Arena) -> None:
    """A promotion with units of its own is cancelled while buyers claim them: holds stay, the rest is the store's."""
    shop = await arena.open_shop(30)
    aside = await arena.promote(shop, max_units=20)
    promo = aside.body["id"]
    pool = await set_aside_pool(arena, promo)
    *answers, ended = await asyncio.gather(
        *(arena.reserve(buyer, promo) for buyer in arena.buyers[:12]),
        *(arena.reserve(buyer, shop.promo) for buyer in arena.buyers[12:24]),
        arena.end_promo(promo),
    )
    expect([ended], DONE)
    expect(answers[:12], GRANTED, NOT_ACTIVE, SHORT)
    expect(answers[12:], GRANTED, SHORT)
    expect([await arena.reserve(arena.buyers[30], promo)], NOT_ACTIVE)
    held = granted(list(answers[:12]))
    hold_that(await arena.held(pool) == len(held), "the holds are not what was answered")
    hold_that(await whole(arena, shop, pool) == 30, "units were lost, or made")
    await _they_end(arena, held)
    await asyncio.gather(arena.settle(), arena.sweep(), arena.settle())
    hold_that(await whole(arena, shop, pool) == 30, "units were lost, or made, when the promotion's holds ended")


async def _they_end(arena: Arena, holds: list[Answer]) -> None:
    """Holds of a promotion that is over: some are bought, some let go, the others run out."""
    by_id = {buyer.id: buyer for buyer in arena.buyers}
    ends = []
    for number, hold in enumerate(holds):
        act = (arena.check_out, arena.cancel)[number % 2]
        ends.append(act(by_id[hold.buyer], hold.token) if number % 3 else arena.move_deadline(hold.token, -0.001))
    answers = await asyncio.gather(*ends, arena.settle())
    expect([answer for answer in answers if isinstance(answer, Answer)], DONE)


async def promo_ends(arena: Arena) -> None:
    """At the instant at which a promotion ends its units are the store's: another one sells them to the last."""
    shop = await arena.open_shop(12)
    aside = await arena.promote(shop, max_units=12)
    expect([aside], GRANTED)
    pool = await set_aside_pool(arena, aside.body["id"])
    ends = await arena.move_window(aside.body["id"], ends_at=NOTICE_SECONDS)
    *answers, _, _, _ = await asyncio.gather(
        *(at(ends + _jitter(), arena.reserve(arena.buyers[n], aside.body["id"])) for n in range(20)),
        *(at(ends + _jitter(), arena.reserve(arena.buyers[n], shop.promo)) for n in range(20, 40)),
        *(at(ends + delay, arena.settle()) for delay in (0.001, 0.003, 0.006)),
    )
    expect(answers, GRANTED, SHORT, NOT_ACTIVE)
    held = len(granted(list(answers)))
    hold_that(held <= 12, f"{held} of 12 units were held")
    # Whoever comes after the end gets what is left, and nobody is refused before that.
    late = await arena.reserve_all(arena.buyers[40:60], shop.promo)
    expect(late, GRANTED, SHORT)
    await prove_refusals(arena, 12 - held, late)
    hold_that(held + len(granted(late)) == 12, f"{held} and {len(granted(late))} of 12 units were held")
    hold_that(await whole(arena, shop, pool) == 12, "units were lost, or made")


def _jitter() -> float:
    return random.uniform(-0.03, 0.02)


async def units_are_set_aside(arena: Arena) -> None:
    """Promotions take units out of the stock that buyers claim from: each unit goes one way."""
    shop = await arena.open_shop(24)
    answers = await asyncio.gather(
        *(arena.reserve(buyer, shop.promo) for buyer in arena.buyers[:10]),
        *(arena.promote(shop, max_units=8) for _ in range(3)),
        *(arena.reserve(buyer, shop.promo) for buyer in arena.buyers[10:20]),
    )
    claims, promos = [*answers[:10], *answers[13:]], answers[10:13]
    expect(claims, GRANTED, SHORT)
    made = [promo for promo in promos if promo.status == 201]
    refused = [promo for promo in promos if promo.status != 201]
    hold_that(all(promo.status == 400 and "max_units" in promo.body for promo in refused), f"{refused}")
    left = 24 - 8 * len(made) - len(granted(claims))
    hold_that(await arena.free(shop.pool_id) == left, f"{left} units should be left")
    hold_that(left >= 0, "units were set aside that were held")
    hold_that(not refused or left < 8, "a promotion was refused units that are free")
    inside = await asyncio.gather(*(arena.reserve_all(arena.buyers[30:40], promo.body["id"]) for promo in made))
    for inner in inside:
        expect(inner, GRANTED, SHORT)
        hold_that(len(granted(inner)) == 8, f"{len(granted(inner))} of 8 units set aside were held")


async def promo_is_edited_at_its_start(arena: Arena) -> None:
    """Staff give a promotion other units in the instant in which it begins; whatever was held comes back once."""
    shop = await arena.open_shop(20)
    aside = await arena.promote(shop, max_units=10)
    expect([aside], GRANTED)
    promo = aside.body["id"]
    pools = {await set_aside_pool(arena, promo)}
    starts = await arena.move_window(promo, starts_at=NOTICE_SECONDS)
    edit = arena.ask("PATCH", f"/admin/promos/{promo}/", arena.staff, {"max_units": 5})
    *answers, edited = await asyncio.gather(
        *(at(starts + random.uniform(-0.01, 0.03), arena.reserve(arena.buyers[n], promo)) for n in range(16)),
        at(starts - random.uniform(0.005, 0.04), edit),
    )
    expect(answers, GRANTED, SHORT, NOT_ACTIVE)
    expect([edited], DONE, (400, "promo_active"))
    pools.add(await set_aside_pool(arena, promo))
    held = granted(list(answers))
    by_id = {buyer.id: buyer for buyer in arena.buyers}
    for hold in held:
        await arena.move_deadline(hold.token, -0.001)
    again = await asyncio.gather(*(arena.reserve(by_id[hold.buyer], promo) for hold in held))
    expect(again, GRANTED, SHORT)
    expect([await arena.end_promo(promo)], DONE)
    hold_that(await whole(arena, shop, *pools) == 20, "units were lost, or made")
