"""The shop is run while it sells: stock is written, units are set aside, promotions end."""

import pytest

from tests.races import shopkeeping
from tests.races.conftest import Repeat

pytestmark = pytest.mark.races


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
