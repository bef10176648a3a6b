"""Arithmetic of money: to the cent, halves up, and shares that add up."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from app.domain.pricing.rules.facts import CENT, NOTHING


def to_cents(amount: Decimal) -> Decimal:
    """Rounded half up to two places."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def in_pesos(price: Decimal, adjustment: Decimal, rate: Decimal) -> tuple[Decimal, Decimal]:
    """A price in USD and its adjustment in ARS: their sum is converted, so that it is rounded once."""
    base = to_cents(price * rate)
    return base, to_cents((price + adjustment) * rate) - base


def discounted(amount: Decimal, percent: Decimal) -> Decimal:
    """What is left of an amount that is not below zero; it is not rounded where nothing comes off."""
    amount = max(amount, NOTHING)
    return to_cents(amount * (100 - percent) / 100) if percent else to_cents(amount)


def allot(amount: Decimal, weights: Sequence[Decimal], keys: Sequence[Any]) -> list[Decimal]:
    """Shares of an amount in proportion to the weights, to the cent, by largest remainder: they add up to it.

    The amount is at most the sum of the weights, and no share is above its weight. Equal remainders are settled by
    weight and key, so that the order of the lines settles nothing.
    """
    whole = sum(_cents(weight) for weight in weights)
    if not whole or not amount:
        return [NOTHING] * len(weights)
    total = _cents(amount)
    parts = [divmod(total * _cents(weight), whole) for weight in weights]
    left = total - sum(share for share, _ in parts)
    order = sorted(range(len(parts)), key=lambda n: (-parts[n][1], -weights[n], keys[n]))
    lucky = set(order[:left])
    return [Decimal(share + (n in lucky)).scaleb(-2) for n, (share, _) in enumerate(parts)]


def _cents(amount: Decimal) -> int:
    return int(amount.scaleb(2))
