"""Races for units: each function is one round, on stock of its own, and raises Lost when it is lost."""

import asyncio
import random

from tests.races.arena import FAR, Answer, Arena, Buyer
from tests.races.proof import expect, hold_that, prove_refusals

GRANTED = (201, "")
SAME_HOLD = (200, "")
SHORT = (409, "insufficient_stock")
LIMIT = (409, "limit_reached")


def granted(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status == 201]


async def many_buyers(arena: Arena, buyers: int = 200, units: int = 50) -> None:
    """Two hundred buyers on fifty units: fifty have one, and nobody is refused before."""
    shop = await arena.open_shop(units)
    answers = await arena.reserve_all(arena.buyers[:buyers], shop.promo)
    expect(answers, GRANTED, SHORT)
    await prove_refusals(arena, units, answers)
    hold_that(len(granted(answers)) == units, f"{len(granted(answers))} of {units} units were held")
    hold_that(await arena.held(shop.pool_id) == units, "the holds are not what was answered")
    hold_that(await arena.free(shop.pool_id) == 0, "units are left")


async def last_unit(arena: Arena) -> None:
    """Fifty buyers on one unit."""
    await many_buyers(arena, buyers=50, units=1)


async def enough_for_all(arena: Arena, buyers: int = 60, units: int = 60, slots: int = 16) -> None:
    """As many units as buyers, or more: who is refused, is refused falsely. No claim is lost, and none counts twice."""
    shop = await arena.open_shop(units, slots=slots)
    answers = await arena.reserve_all(arena.buyers[:buyers], shop.promo)
    expect(answers, GRANTED)
    hold_that(await arena.held(shop.pool_id) == buyers, "the holds are not what was answered")
    hold_that(await arena.free(shop.pool_id) == units - buyers, "the units left are not those that nobody holds")


async def few_of_many(arena: Arena) -> None:
    """Twenty take one each of a hundred, all of which lie in one slot."""
    await enough_for_all(arena, buyers=20, units=100, slots=1)


async def mixed_quantities(arena: Arena) -> None:
    """Some want one, some five. Who is refused wanted more than there was; what is left nobody refused would take."""
    units = random.randint(30, 90)
    shop = await arena.open_shop(units, limit=5)
    wanted = [random.randint(1, 5) for _ in range(40)]
    claims = [arena.reserve(arena.buyers[n], shop.promo, quantity) for n, quantity in enumerate(wanted)]
    answers = await asyncio.gather(*claims)
    expect(answers, GRANTED, SHORT)
    await prove_refusals(arena, units, answers)
    left = await arena.free(shop.pool_id)
    hold_that(left == units - sum(each.quantity for each in granted(answers)), f"{left} units are left")


async def to_the_last_unit(arena: Arena) -> None:
    """What forty buyers want together is what there is: everybody is served, from as many slots as it needs."""
    wanted = [random.randint(1, 5) for _ in range(40)]
    shop = await arena.open_shop(sum(wanted), limit=5)
    answers = await asyncio.gather(
        *(arena.reserve(arena.buyers[n], shop.promo, quantity) for n, quantity in enumerate(wanted))
    )
    expect(answers, GRANTED)
    hold_that(await arena.free(shop.pool_id) == 0, "units are left")


async def one_buyer_twice(arena: Arena) -> None:
    """Eight claims of one buyer at once, in two processes: one hold, which all are told of; one unit is taken."""
    shop = await arena.open_shop(10, limit=5)
    buyer = random.choice(arena.buyers)
    answers = await arena.reserve_all([buyer] * 8, shop.promo)
    expect(answers, GRANTED, SAME_HOLD)
    hold_that(len(granted(answers)) == 1, f"{len(granted(answers))} holds were made")
    hold_that(len({answer.token for answer in answers}) == 1, "not all were told of the same hold")
    hold_that(await arena.free(shop.pool_id) == 9, "not one unit was taken")
    await _again(arena, buyer, shop.promo, answers[0])
    hold_that(await arena.free(shop.pool_id) == 9, "not one unit is taken")


async def _again(arena: Arena, buyer: Buyer, promo: int, first: Answer) -> None:
    """A hold that is over stands in nobody's way, twice at once neither; the new one is another."""
    await arena.move_deadline(first.token, -0.001)
    answers = await arena.reserve_all([buyer] * 4, promo)
    expect(answers, GRANTED, SAME_HOLD)
    hold_that(len(granted(answers)) == 1, f"{len(granted(answers))} holds were made after the first was over")
    hold_that(len({answer.token for answer in answers} | {first.token}) == 2, "not one new hold")


async def limit_of_one_buyer(arena: Arena) -> None:
    """At most three: held units become bought ones while the same buyer claims more; there is no gap between."""
    shop = await arena.open_shop(20, limit=3)
    buyer = random.choice(arena.buyers)
    first = await arena.reserve(buyer, shop.promo, 2)
    expect([first], GRANTED)
    tokens = [first.token]
    for _ in range(3):
        sales = [arena.check_out(buyer, token) for token in tokens]
        claims = [arena.reserve(buyer, shop.promo, quantity) for quantity in (1, 1, 2, 3)]
        answers = await asyncio.gather(*sales, *claims)
        expect(answers, GRANTED, SAME_HOLD, LIMIT)
        tokens = [answer.token for answer in granted(answers)]
    taken = await arena.held(shop.pool_id) + await arena.sold(shop.pool_id)
    hold_that(taken == 3, f"the buyer has {taken} units")
    hold_that(await arena.free(shop.pool_id) == 17, "the stock is not what it was less three units")


async def one_stock_many_promotions(arena: Arena) -> None:
    """Two promotions sell one store's stock, a third a part that was set aside: each unit is sold once."""
    shop = await arena.open_shop(25, promos=2)
    aside = await arena.promote(shop, max_units=5)
    expect([aside], GRANTED)
    promos = (*shop.promos, aside.body["id"])
    claims = [arena.reserve(buyer, promos[n % 3], 1) for n, buyer in enumerate(arena.buyers[:60])]
    answers = await asyncio.gather(*claims)
    expect(answers, GRANTED, SHORT)
    here = [answer for n, answer in enumerate(answers) if n % 3 < 2]
    there = [answer for n, answer in enumerate(answers) if n % 3 == 2]
    await prove_refusals(arena, 20, here)
    await prove_refusals(arena, 5, there)
    hold_that((len(granted(here)), len(granted(there))) == (20, 5), "units were sold twice, or not at all")
    hold_that(await arena.free(shop.pool_id) == 0, "units are left")


class Losers:
    """Buyers who fail, each kind for a reason of its own, with what they are told."""

    def __init__(self, far: list[Buyer]) -> None:
        self.far = far

    async def come(self, arena: Arena, promo: int) -> list[Answer]:
        near = arena.buyers[100:]
        claims = [arena.reserve(buyer, promo) for buyer in self.far]
        claims += [arena.reserve(buyer, promo, 3) for buyer in near[:20]]
        claims += [arena.reserve(Buyer(b.id, arena.signed_in(b.id, version=7)), promo) for b in near[20:30]]
        claims += [arena.reserve(buyer, 2**40) for buyer in near[30:40]]
        claims += [arena.reserve(buyer, promo, 2**40) for buyer in near[40:50]]
        claims += [self.change_the_mind(arena, buyer, promo) for buyer in near[50:70]]
        random.shuffle(claims)
        return await asyncio.gather(*claims)

    @staticmethod
    async def change_the_mind(arena: Arena, buyer: Buyer, promo: int) -> Answer:
        """Holds a unit if there is one, and lets it go, by word or by time."""
        answer = await arena.reserve(buyer, promo)
        if answer.status != 201:
            return answer
        if random.random() < 0.5:
            return await arena.cancel(buyer, answer.token)
        await arena.move_deadline(answer.token, -0.001)
        return answer


async def failing_buyers(arena: Arena) -> None:
    """Whoever fails for whatever reason takes nothing with him: in the end all ten units are sold."""
    shop = await arena.open_shop(10, limit=2)
    losers = Losers(await arena.enrol(30, place=FAR))
    lost, won = await asyncio.gather(
        losers.come(arena, shop.promo), arena.reserve_all(arena.buyers[:10], shop.promo, quantity=1)
    )
    told = {(403, "not_eligible"), LIMIT, (401, "token_not_valid"), (404, ""), (400, ""), SHORT, SAME_HOLD, GRANTED}
    expect(lost, *told)
    expect(won, GRANTED, SHORT)
    late = await arena.reserve_all(arena.buyers[10:20], shop.promo)
    expect(late, GRANTED, SHORT)
    held = [*granted(won), *granted(late)]
    hold_that(len(held) == 10, f"{len(held)} of 10 units were held in the end")
    buyers = {buyer.id: buyer for buyer in arena.buyers}
    sales = await asyncio.gather(*(arena.check_out(buyers[hold.buyer], hold.token) for hold in held))
    expect(sales, SAME_HOLD)
    hold_that(await arena.sold(shop.pool_id) == 10, "not all units were sold")
