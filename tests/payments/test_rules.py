"""What the provider's words mean, what is news, and when to ask again."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from app.domain.payments.rules import Expected, Facts, Seen, State, is_news, next_check, problem_of, with_flag

AT = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
SECOND, DAY = dt.timedelta(seconds=1), dt.timedelta(days=1)
EXPECTED = Expected(Decimal(100), "7", live_only=False)


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "number": "1",
        "status": "approved",
        "detail": "accredited",
        "amount": Decimal(100),
        "refunded": Decimal(0),
        "currency": "ARS",
        "collector": "7",
        "operation": "regular_payment",
        "live": True,
        "changed_at": AT,
    }
    return Facts(**(values | changes))


@pytest.mark.parametrize(
    ("status", "detail", "state"),
    [
        ("pending", "pending_waiting_payment", "pending"),
        ("in_process", "pending_contingency", "pending"),
        ("authorized", "pending_capture", "pending"),
        ("approved", "accredited", "approved"),
        ("approved", "partially_refunded", "approved"),
        ("in_mediation", "pending", "approved"),
        ("rejected", "cc_rejected_other_reason", "rejected"),
        ("cancelled", "expired", "rejected"),
        ("refunded", "by_admin", "refunded"),
        ("charged_back", "settled", "refunded"),
        ("charged_back", "in_process", "refunded"),
        ("charged_back", "reimbursed", "approved"),
        ("something_new", "", "pending"),
        ("", "", "pending"),
    ],
)
def test_states(status: str, detail: str, state: State) -> None:
    assert facts(status=status, detail=detail).state == state


@pytest.mark.parametrize(
    ("old", "new", "later", "news"),
    [
        ("pending", "approved", 1, True),
        ("pending", "rejected", 1, True),
        ("rejected", "approved", 1, True),
        ("rejected", "pending", 1, True),
        ("approved", "pending", 1, False),
        ("approved", "rejected", 1, False),
        ("approved", "refunded", 1, True),
        ("refunded", "approved", 1, False),
        ("refunded", "pending", 1, False),
        ("pending", "approved", -1, False),
        ("approved", "refunded", -1, False),
        ("pending", "approved", 0, True),
        ("rejected", "pending", 0, False),
        ("approved", "approved", 0, True),
    ],
)
def test_news(old: State, new: State, later: int, news: bool) -> None:
    assert is_news(Seen(old, AT), facts(status=new, changed_at=AT + later * SECOND)) is news


def test_money_that_a_dispute_brings_back_is_news() -> None:
    won = facts(status="charged_back", detail="reimbursed", changed_at=AT + SECOND)
    assert is_news(Seen("refunded", AT), won)
    assert is_news(None, won)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"amount": Decimal("100.01")}, ""),
        ({"amount": Decimal("99.99")}, "underpaid"),
        ({"currency": "USD"}, "currency"),
        ({"collector": "8"}, "collector"),
        ({"collector": ""}, "collector"),
        ({"operation": "card_validation"}, "operation"),
        ({"operation": ""}, "operation"),
        ({"live": False}, ""),
    ],
)
def test_problems(changes: dict[str, Any], problem: str) -> None:
    assert problem_of(facts(**changes), EXPECTED) == problem


def test_production_wants_live_payments_and_a_collector() -> None:
    assert problem_of(facts(live=False), Expected(Decimal(100), "7", live_only=True)) == "test_mode"
    assert problem_of(facts(collector=""), Expected(Decimal(100), "", live_only=False)) == "collector"


def test_flags_are_there_once() -> None:
    assert with_flag(["late"], "late") == ["late"]
    assert with_flag(["late"], "disputed") == ["late", "disputed"]


@pytest.mark.parametrize(
    ("state", "age", "pause"),
    [
        ("pending", SECOND, 60 * SECOND),
        ("pending", 600 * SECOND, 300 * SECOND),
        ("rejected", DAY, 3600 * SECOND),
        ("pending", 4 * DAY, None),
        ("approved", SECOND, 3600 * SECOND),
        ("approved", DAY, DAY / 2),
        ("approved", 100 * DAY, DAY),
        ("approved", 180 * DAY, None),
        ("refunded", SECOND, 3600 * SECOND),
        ("refunded", 3 * DAY, DAY),
        ("refunded", 4 * DAY, None),
    ],
)
def test_when_to_ask_again(state: str, age: dt.timedelta, pause: dt.timedelta | None) -> None:
    assert next_check(state, age) == pause
