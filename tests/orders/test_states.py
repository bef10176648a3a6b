"""The states of an order: every pair of them, as section 6 of the shop's contract has it."""

from decimal import Decimal
from itertools import product
from typing import get_args

import pytest

from app.domain.orders.states import PAID_STATUSES, STATUSES, TRANSITIONS, PaymentMethod, Status, first_status, may_move

# Written out again on purpose: the table of the contract, to hold the code's against.
ALLOWED = {
    ("pending", "payment_pending"),
    ("pending", "paid"),
    ("pending", "shipped"),
    ("pending", "cancelled"),
    ("pending", "archived"),
    ("payment_pending", "paid"),
    ("payment_pending", "cancelled"),
    ("paid", "shipped"),
    ("paid", "cancelled"),
    ("paid", "archived"),
    ("shipped", "archived"),
    ("cancelled", "archived"),
    ("abandoned", "pending"),
    ("abandoned", "archived"),
}


def test_the_states() -> None:
    assert STATUSES == ("pending", "payment_pending", "paid", "shipped", "cancelled", "archived", "abandoned")
    assert set(TRANSITIONS) == set(STATUSES)
    assert sorted(PAID_STATUSES) == ["paid", "shipped"]
    assert get_args(PaymentMethod) == ("cash", "online")


@pytest.mark.parametrize(("old", "new"), list(product(STATUSES, STATUSES)))
def test_every_pair(old: Status, new: Status) -> None:
    assert may_move(old, new) is ((old, new) in ALLOWED)


@pytest.mark.parametrize(
    ("method", "total", "status"),
    [
        ("cash", "0.01", "pending"),
        ("online", "0.01", "payment_pending"),
        ("cash", "0.00", "paid"),
        ("online", "0.00", "paid"),
    ],
)
def test_how_an_order_begins(method: PaymentMethod, total: str, status: Status) -> None:
    assert first_status(method, Decimal(total)) == status
