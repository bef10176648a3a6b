"""The states of an order and the moves between them, as section 6 of the shop's contract has them."""

from decimal import Decimal
from typing import Literal, get_args

Status = Literal["pending", "payment_pending", "paid", "shipped", "cancelled", "archived", "abandoned"]
PaymentMethod = Literal["cash", "online"]
STATUSES: tuple[Status, ...] = get_args(Status)
# What counts as paid, also after it has been archived.
PAID_STATUSES: frozenset[Status] = frozenset({"paid", "shipped"})

TRANSITIONS: dict[Status, frozenset[Status]] = {
    "pending": frozenset({"payment_pending", "paid", "shipped", "cancelled", "archived"}),
    "payment_pending": frozenset({"paid", "cancelled"}),
    "paid": frozenset({"shipped", "cancelled", "archived"}),
    "shipped": frozenset({"archived"}),
    "cancelled": frozenset({"archived"}),
    "abandoned": frozenset({"pending", "archived"}),
    "archived": frozenset(),
}


def may_move(old: Status, new: Status) -> bool:
    """Whether the table allows the move; staying where one is, is no move."""
    return new in TRANSITIONS[old]


def sources_of(new: Status) -> tuple[Status, ...]:
    """From which statuses the table allows the move."""
    return tuple(old for old in STATUSES if new in TRANSITIONS[old])


def first_status(method: PaymentMethod, total: Decimal) -> Status:
    """What a promotion's order begins as: cash waits at the counter, online for the payment; nothing to pay is paid."""
    if not total:
        return "paid"
    return "pending" if method == "cash" else "payment_pending"
