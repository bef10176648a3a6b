"""The shop is run while it sells: stock is written, units are set aside, promotions end."""

import pytest

from tests.races import shopkeeping
from tests.races.arena import Arena
from tests.races.conftest import Repeat
from tests.races.ending import DONE
from tests.races.proof import expect, prove

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]


async def test_staff_write_stock_while_units_are_held(repeat: Repeat) -> None:
    await repeat(shopkeeping.stock_is_written, together=4)


async def test_staff_take_the_stock_away(repeat: Repeat) -> None:
    await repeat(shopkeeping.stock_is_taken_away, together=4)


async def test_a_promotion_is_cancelled_while_buyers_claim(repeat: Repeat) -> None:
    await repeat(shopkeeping.promo_is_cancelled, together=4)


async def test_a_promotion_ends_while_buyers_claim(repeat: Repeat) -> None:
    await repeat(shopkeeping.promo_ends, together=4)


async def test_units_are_set_aside_while_buyers_claim(repeat: Repeat) -> None:
    await repeat(shopkeeping.units_are_set_aside, together=4)


async def test_a_promotion_is_edited_as_it_begins(repeat: Repeat) -> None:
    await repeat(shopkeeping.promo_is_edited_at_its_start, together=4)


async def test_more_units_come_back_than_anybody_may_write(arena: Arena) -> None:
    """Stock is written again while all of it is set aside: what ends then is added, and breaks nothing for anybody."""
    most = 2**31 - 1
    shop = await arena.open_shop(most)
    promos = []
    for _ in range(2):
        promos.append(await arena.promote(shop, max_units=most))
        expect([await arena.write_stock(shop, most)], DONE)
    for promo in promos:
        expect([await arena.end_promo(promo.body["id"])], DONE)
    assert await arena.free(shop.pool_id) == 3 * most
    await arena.settle()
    expect([await arena.promote(shop, max_units=most)], (201, ""))
    assert await arena.free(shop.pool_id) == 2 * most
    expect([await arena.write_stock(shop, 7)], DONE)
    await prove(arena)
