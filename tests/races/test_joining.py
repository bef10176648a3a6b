"""Accounts on two processes: one e-mail, name and code are somebody's once, however many ask for them at once."""

import pytest

from tests.races import joining
from tests.races.arena import Arena
from tests.races.conftest import Crowd, Round

pytestmark = [
    pytest.mark.races,
    pytest.mark.goal("S11", "races for coupons, stock, money, carts and accounts: no violation", "kinds of race"),
]

ROUNDS = [joining.one_email, joining.one_name, joining.one_code, joining.guessed_codes]


@pytest.mark.parametrize("one_round", ROUNDS, ids=lambda each: each.__name__)
async def test_accounts(arena: Arena, crowd: Crowd, one_round: Round) -> None:
    await crowd.play(arena, one_round, joining.prove)
