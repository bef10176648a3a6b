"""R1: many more buyers than units, over two API processes: every unit is held once, nobody is refused for nothing."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.chaos.proving import prove
from tests.chaos.results import Goals
from tests.chaos.world import World
from tests.factories_catalog import make_product
from tests.races.arena import Answer, Buyer, Shop
from tests.races.ordering import buy
from tests.races.proof import expect, hold_that, prove_refusals

pytestmark = pytest.mark.races
HELD, SHORT = (201, ""), (409, "insufficient_stock")
Ask = Callable[[int, Buyer], Coroutine[Any, Any, Answer]]


@pytest.fixture
def size(full_rounds: bool) -> int:
    """The twentieth part for every run of the tests: 10,000 calls are 500."""
    return 20 if full_rounds else 1


async def stampede(clients: int, buyers: list[Buyer], ask: Ask) -> list[Answer]:
    """So many clients at once, each asking for one buyer after the other."""
    waiting = iter(enumerate(buyers))
    answers: list[Answer] = []

    async def client() -> None:
        for number, buyer in waiting:
            answers.append(await ask(number, buyer))

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


async def lapse(world: World, shop: Shop) -> None:
    """Every hold of a shop is over, and nobody has swept."""
    past = "UPDATE reservation SET expires_at = clock_timestamp() - interval '1 ms' WHERE pool_id = $1"
    await world.sql(past, shop.pool_id)


@pytest.mark.shows("R1")
async def test_exactly_what_there_is(world: World, goals: Goals, size: int, full_rounds: bool) -> None:
    """One unit a buyer; when the holds are over all of it can be held again, and again."""
    arena, units, calls, clients = world.arena, 25 * size, 500 * size, 200 if full_rounds else 40
    buyers = await arena.enrol(calls)
    shop = await arena.open_shop(units)
    held, refused = [], []
    for _ in range(3 if full_rounds else 2):
        random.shuffle(buyers)
        answers = await stampede(clients, buyers, lambda _, buyer: arena.reserve(buyer, shop.promo))
        expect(answers, HELD, SHORT)
        await prove_refusals(arena, units, answers)
        found = Counter(answer.status for answer in answers)
        held.append(found[201])
        refused.append(found[409])
        assert await arena.held(shop.pool_id) == found[201]
        await lapse(world, shop)
        assert await arena.free(shop.pool_id) == units
    right = held == [units] * len(held) and refused == [calls - units] * len(held)
    figure = f"{calls} calls of {clients} clients on {units} units: held {held}, refused {refused}, nothing else"
    goals.note("R1", "exactly the units that there are, none over and none under, no 5xx", figure, held=right)
    assert right, figure


@pytest.mark.shows("R1b")
async def test_mixed_quantities(world: World, goals: Goals, size: int) -> None:
    """One to five at a time: whoever was refused wanted more than was left."""
    arena, units, calls = world.arena, 25 * size, 100 * size
    buyers = await arena.enrol(calls)
    shop = await arena.open_shop(units, limit=5)
    wanted = [random.randint(1, 5) for _ in buyers]
    answers = await stampede(40, buyers, lambda n, buyer: arena.reserve(buyer, shop.promo, wanted[n]))
    expect(answers, HELD, SHORT)
    await prove_refusals(arena, units, answers)
    held = await arena.held(shop.pool_id)
    free = await arena.free(shop.pool_id)
    right = held + free == units and held == sum(answer.quantity for answer in answers if answer.status == 201)
    figure = f"{calls} calls for 1 to 5 of {units}: {held} held, {free} left"
    goals.note("R1b", "mixed quantities", figure, held=right)
    assert right, figure
    assert free < 5


@pytest.mark.shows("R1c")
async def test_two_lines_of_one_thing(world: World, goals: Goals, size: int) -> None:
    """An order that has a product in two lines takes the sum of both or nothing."""
    arena, units, calls = world.arena, 5 * size, 20 * size
    async with arena.sessions() as session:
        product = await make_product(session, stock=units)
    buyers = list(itertools.islice(itertools.cycle(arena.buyers), calls))
    lines = (product.id, 1), (product.id, 1)
    answers = await stampede(40, buyers, lambda _, buyer: buy(arena, buyer, *lines))
    expect(answers, HELD, SHORT)
    sold, free = sum(answer.status == 201 for answer in answers), await arena.free(product.pool_id)
    right = (sold, free) == (units // 2, units % 2)
    figure = f"{calls} orders of 1 + 1 of {units} units: {sold} sold, {free} left"
    goals.note("R1c", "two lines of one product", figure, held=right)
    assert right, figure


@pytest.mark.shows("R1d")
async def test_hot_and_cold(world: World, goals: Goals, size: int) -> None:
    """Who wants what everybody wants is in nobody's way who wants something else."""
    arena, units = world.arena, 5 * size
    hot = await arena.open_shop(units)
    cold = [await arena.open_shop(50) for _ in range(10)]
    buyers = await arena.enrol(100 * size)

    async def ask(number: int, buyer: Buyer) -> Answer:
        chosen = cold[number // 5 % 10] if number % 5 == 0 else hot
        answer = await arena.reserve(buyer, chosen.promo)
        hold_that(chosen is hot or answer.status == 201 or 2 * size > 50, f"refused a cold one: {answer}")
        return answer

    answers = await stampede(40, buyers, ask)
    expect(answers, HELD, SHORT)
    held = await arena.held(hot.pool_id)
    kept = [await arena.held(shop.pool_id) for shop in cold]
    right = held == units and sum(kept) == 20 * size
    figure = f"hot: {held} of {units} held; cold: {sum(kept)} of {20 * size} served"
    goals.note("R1d", "hot and cold promotions", figure, held=right)
    assert right, figure
    await prove(world)
