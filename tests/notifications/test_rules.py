"""Words, pauses, and what clients read of our states."""

import datetime as dt
from decimal import Decimal

import pytest

from app.domain.notifications import rules

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("attempts", "wait", "chance", "pause"),
    [
        (1, 0, 0.0, 10.0),
        (1, 0, 1.0, 15.0),
        (2, 0, 0.0, 20.0),
        (4, 0, 0.5, 100.0),
        (1, 60, 0.0, 60.0),
        (9, 60, 0.0, 900.0),
        (32_000, 0, 0.0, 900.0),
        (0, 0, 0.0, 10.0),
        (1, 3600, 0.0, 3600.0),
    ],
)
def test_the_pause_doubles_and_is_never_shorter_than_asked_for(
    attempts: int, wait: float, chance: float, pause: float
) -> None:
    assert rules.retry_pause(attempts, wait, chance) == pause


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$ 0,00"), ("999.9", "$ 999,90"), ("1234.5", "$ 1.234,50"), ("99999999.99", "$ 99.999.999,99")],
)
def test_money_as_it_is_written_in_argentina(amount: str, text: str) -> None:
    assert rules.money(Decimal(amount)) == text


def test_a_push_lives_as_long_as_it_is_worth_something() -> None:
    assert rules.ttl_seconds(NOW + dt.timedelta(seconds=90.9), NOW) == 90
    assert rules.ttl_seconds(NOW - dt.timedelta(seconds=1), NOW) == 0
    assert rules.ttl_seconds(NOW + dt.timedelta(days=365), NOW) == 28 * 24 * 3600


def test_the_words_of_a_promotion_fit_however_long_its_names_are() -> None:
    words = rules.promo_words("P" * 300, "T" * 600, Decimal(1500), NOW, NOW)
    assert (len(words.title), len(words.body)) == (200, 500)
    short = rules.promo_words("Humus", "Palermo", Decimal(1500), NOW, NOW.replace(hour=0))
    assert short == rules.Words("general", "⚡ Humus", "Palermo: $ 1.500,00 hasta las 12:00")
    longer = rules.promo_words("Humus", "Palermo", Decimal(1500), NOW, NOW - dt.timedelta(days=1))
    assert longer.body == "Palermo: $ 1.500,00 hasta el 22/11 a las 12:00"


def test_what_an_order_has_become() -> None:
    assert rules.new_order_words(7, "Ana", Decimal(10)) == rules.Words("new_order", "Nuevo pedido #7", "Ana · $ 10,00")
    kinds = {status: words and words.kind for status in rules._MOVES if (words := rules.move_words(7, status))}
    assert kinds == {
        "pending": "order_update",
        "payment_pending": "order_update",
        "paid": "payment_received",
        "shipped": "order_shipped",
        "cancelled": "order_update",
    }
    assert rules.move_words(7, "shipped") == rules.Words(
        "order_shipped", "Pedido en camino", "Tu pedido #7 fue enviado"
    )
    assert [rules.move_words(7, status) for status in ("archived", "abandoned")] == [None, None]


def test_every_state_is_shown_as_one_of_the_contracts() -> None:
    assert set(rules.SHOWN) == set(rules.STATES)
    assert rules.SHOWN["unknown"] == "failed"
    assert rules.SHOWN["sending"] == rules.SHOWN["waiting"] == "pending"
