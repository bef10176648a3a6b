"""Many buyers, few units: sold are exactly as many as there are, and nobody is refused while one is free."""

import pytest

from tests.races import buying
from tests.races.conftest import Repeat

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]


async def test_two_hundred_buyers_on_fifty_units(repeat: Repeat) -> None:
    await repeat(buying.many_buyers)


async def test_fifty_buyers_on_the_last_unit(repeat: Repeat) -> None:
    await repeat(buying.last_unit)


async def test_nobody_is_refused_while_a_unit_is_free(repeat: Repeat) -> None:
    await repeat(buying.enough_for_all)


async def test_twenty_claims_on_one_slot_are_twenty_holds(repeat: Repeat) -> None:
    await repeat(buying.few_of_many)


async def test_mixed_quantities(repeat: Repeat) -> None:
    await repeat(buying.mixed_quantities)


async def test_mixed_quantities_that_just_fit(repeat: Repeat) -> None:
    await repeat(buying.to_the_last_unit)


async def test_one_buyer_has_one_hold(repeat: Repeat) -> None:
    await repeat(buying.one_buyer_twice, together=4)


async def test_a_buyers_limit_while_holds_become_orders(repeat: Repeat) -> None:
    await repeat(buying.limit_of_one_buyer, together=4)


async def test_promotions_of_the_same_stock(repeat: Repeat) -> None:
    await repeat(buying.one_stock_many_promotions)


async def test_refused_buyers_take_nothing_with_them(repeat: Repeat) -> None:
    await repeat(buying.failing_buyers)
