"""The decisions that need no database: what a verdict means to the buyer, windows, prices, bodies."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.promos.rules import bad_hold, check_price, check_window, over_hold, refusal, unit_price
from app.errors import Invalid

AT = dt.datetime(2026, 11, 27, 18, 0, tzinfo=dt.UTC)
TICK = dt.timedelta(microseconds=1)

VERDICTS: list[tuple[str, int, dict[str, Any]]] = [
    ("no_user", 401, {"detail": "User not found", "code": "user_not_found"}),
    ("inactive_user", 401, {"detail": "User is inactive", "code": "user_inactive"}),
    (
        "stale_token",
        401,
        {
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}],
        },
    ),
    ("no_promo", 404, {"detail": "No FlashPromo matches the given query."}),
    ("not_active", 409, {"detail": "The promotion is not active.", "code": "promo_not_active", "units_left": 0}),
    ("not_eligible", 403, {"detail": "This promotion is not offered to you.", "code": "not_eligible"}),
    (
        "limit",
        409,
        {"detail": "You have reached the limit of this promotion.", "code": "limit_reached", "units_left": 3},
    ),
    ("short", 409, {"detail": "There are not enough units left.", "code": "insufficient_stock", "units_left": 3}),
]


@pytest.mark.parametrize(("verdict", "status", "body"), VERDICTS)
def test_every_verdict_has_its_answer(verdict: str, status: int, body: dict[str, Any]) -> None:
    error = refusal(verdict, 3)
    assert (error.status, error.body()) == (status, body)


@pytest.mark.parametrize("verdict", ["new", "live", "retry", ""])
def test_other_words_are_a_defect(verdict: str) -> None:
    with pytest.raises(ValueError, match="unknown verdict"):
        refusal(verdict, 0)


@pytest.mark.parametrize("status", ["expired", "cancelled", "confirmed"])
def test_a_hold_that_ended_otherwise(status: Any) -> None:
    error = over_hold(status)
    assert (error.status, error.body()["code"]) == (409, f"hold_{status}")


def test_a_bad_body_says_its_first_message_as_detail() -> None:
    assert bad_hold({"a": ["x", "y"], "b": ["z"]}).body() == {"detail": "x", "a": ["x", "y"], "b": ["z"]}
    assert bad_hold({"a": {"0": ["x"]}}).body() == {"detail": "{'0': ['x']}", "a": {"0": ["x"]}}


@pytest.mark.parametrize(
    ("starts", "ends", "message"),
    [
        (AT, AT, "ends_at must be after starts_at."),
        (AT + TICK, AT, "ends_at must be after starts_at."),
        (AT - 2 * TICK, AT - TICK, "ends_at must be in the future."),
        (AT - TICK, AT, "ends_at must be in the future."),
        (AT, AT + TICK, None),
        (AT - TICK, AT + TICK, None),
        (AT + TICK, AT + 2 * TICK, None),
    ],
)
def test_windows(starts: dt.datetime, ends: dt.datetime, message: str | None) -> None:
    if message is None:
        check_window(starts, ends, AT)
        return
    with pytest.raises(Invalid) as caught:
        check_window(starts, ends, AT)
    assert caught.value.body() == {"ends_at": [message]}


def test_prices_that_cannot_be() -> None:
    check_price(Decimal("10.00"), Decimal("10.00"), None)
    check_price(Decimal("10.00"), None, Decimal(100))
    with pytest.raises(Invalid) as caught:
        check_price(Decimal("10.00"), Decimal("10.01"), None)
    assert caught.value.body() == {"promo_price": ["Ensure this value is less than or equal to 10.00."]}
    with pytest.raises(Invalid) as caught:
        check_price(Decimal("10.00"), Decimal("1.00"), Decimal(0))
    assert caught.value.body() == {"non_field_errors": ["Give promo_price or discount_percent, not both."]}


cents = st.decimals(Decimal(0), Decimal("99999999.99"), places=2)
percents = st.decimals(Decimal(0), Decimal(100), places=2)


@given(cents, percents, percents)
def test_a_percentage_never_raises_the_price_nor_turns_it_around(base: Decimal, one: Decimal, other: Decimal) -> None:
    low, high = sorted((unit_price(base, None, one), unit_price(base, None, other)))
    assert 0 <= low <= high <= base
    assert unit_price(base, None, min(one, other)) == high
    # To the cent: never farther than half a cent from the exact share.
    assert abs(unit_price(base, None, one) - base * (100 - one) / 100) <= Decimal("0.005")
    assert unit_price(base, None, None) == base
    assert unit_price(base, high, None) == high
