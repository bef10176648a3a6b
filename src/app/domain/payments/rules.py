"""What a payment at the provider means for ours: states, what is news, what may settle an order, when to ask again."""

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

State = Literal["pending", "approved", "rejected", "refunded"]
Flag = Literal["underpaid", "overpaid", "disputed", "late"]
CURRENCY = "ARS"
OPERATION = "regular_payment"
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
# From then on only people look: refunds end half a year after the payment, silence about a pending one sooner. What
# was given back is looked at as long as that: its page may be paid once more before it closes.
WATCH_PENDING, WATCH_APPROVED = 4 * DAY, 180 * DAY

_STATES: dict[str, State] = {
    "approved": "approved",
    "in_mediation": "approved",
    "rejected": "rejected",
    "cancelled": "rejected",
    "refunded": "refunded",
    "charged_back": "refunded",
}
_DISPUTES = frozenset({"in_mediation", "charged_back"})
_RANK: dict[State, int] = {"pending": 0, "rejected": 1, "approved": 2, "refunded": 3}
REIMBURSED = "reimbursed"
# A dispute that the seller lost. One that goes on may still end well.
_LOST = frozenset({"settled"})


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A payment at the provider, as it is now."""

    number: str
    status: str
    detail: str
    amount: Decimal
    refunded: Decimal
    currency: str
    collector: str
    operation: str
    live: bool
    changed_at: dt.datetime

    @property
    def state(self) -> State:
        """Ours for the provider's words; words that nobody knows change nothing and are pending."""
        if self.status == "charged_back" and self.detail == REIMBURSED:
            return "approved"
        return _STATES.get(self.status, "pending")

    @property
    def disputed(self) -> bool:
        return self.status in _DISPUTES

    @property
    def charged_back(self) -> bool:
        """The buyer's bank has the money, or wants it."""
        return self.status == "charged_back" and self.detail != REIMBURSED

    @property
    def lost(self) -> bool:
        """Whether the buyer's bank keeps it."""
        return self.charged_back and self.detail in _LOST


class Seen(msgspec.Struct, frozen=True):
    """The same payment as it was last seen."""

    state: State
    changed_at: dt.datetime


class Expected(msgspec.Struct, frozen=True):
    """What a payment must be to settle an order. `live_only` refuses those of test credentials."""

    amount: Decimal
    collector: str
    live_only: bool


def is_news(seen: Seen | None, facts: Facts) -> bool:
    """Whether the facts are newer than what was seen. They never lead back from money that was there."""
    if seen is None:
        return True
    if facts.changed_at < seen.changed_at:
        return False
    if seen.state == "refunded" and facts.state == "approved":
        return facts.detail == REIMBURSED
    if facts.changed_at == seen.changed_at or seen.state in {"approved", "refunded"}:
        return _RANK[facts.state] >= _RANK[seen.state]
    return True


def problem_of(facts: Facts, expected: Expected) -> str:
    """Why this payment cannot settle the order, in a word; nothing when it can."""
    if not expected.collector or facts.collector != expected.collector:
        return "collector"
    if facts.currency != CURRENCY:
        return "currency"
    if facts.operation != OPERATION:
        return "operation"
    if expected.live_only and not facts.live:
        return "test_mode"
    return "underpaid" if facts.amount < expected.amount else ""


def with_flag(flags: list[str], flag: Flag) -> list[str]:
    return flags if flag in flags else [*flags, flag]


def next_check(state: str, age: dt.timedelta) -> dt.timedelta | None:
    """How long until the provider is asked again about a payment of this age; None for never again."""
    limit = WATCH_APPROVED if state == "approved" else WATCH_PENDING
    least, most = (MINUTE, HOUR) if state in {"pending", "rejected"} else (HOUR, DAY)
    return max(least, min(age / 2, most)) if age < limit else None
