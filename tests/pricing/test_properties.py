"""What holds for every purchase, tried on many."""

import datetime as dt
import os
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.pricing.rules.engine import price
from app.domain.pricing.rules.facts import Bulk, Coupon, Line, Offer, Rules, Scheduled
from app.domain.pricing.rules.windows import Weekly, edges_after, is_on, next_change
from tests.pricing.rules import HOUR, NOON, SHOP

EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PRESETS = ((3, 2), (2, 1), (4, 3), (5, 4))
cents = st.integers(0, 10_000_000).map(lambda number: Decimal(number).scaleb(-2))
percents = st.integers(0, 10_000).map(lambda number: Decimal(number).scaleb(-2))
few = st.integers(1, 4)
sets = st.frozensets(few, max_size=3)


@st.composite
def lines(draw: st.DrawFn, size: int = 6) -> list[Line]:
    """Lines of one choice agree on everything but their quantity, as they do in a shop."""
    products = {
        number: (draw(cents), draw(cents) / 100, draw(percents), (draw(few), draw(few))) for number in range(1, 5)
    }
    found = []
    for product_id in draw(st.lists(few, min_size=1, max_size=size)):
        base, adjustment, discount, categories = products[product_id]
        adjustment = adjustment.quantize(Decimal("0.01"))
        found.append(Line(product_id, draw(st.integers(1, 30)), base, adjustment, discount, categories))
    return found


offers = st.builds(
    Offer,
    name=st.just("Oferta"),
    discount=percents,
    start_date=st.sampled_from([NOON - HOUR, NOON + HOUR]),
    end_date=st.just(NOON + 2 * HOUR),
    products=sets,
)
ends = st.sampled_from([dt.time(5), dt.time(18)])
windows = st.builds(Weekly, day=st.integers(4, 6), start=st.just(dt.time(9)), end=ends)
weekly = st.builds(
    Scheduled,
    name=st.just("Día"),
    discount=percents,
    category=few,
    window=windows,
)


@st.composite
def bulks(draw: st.DrawFn) -> Bulk:
    buy, pay = draw(st.sampled_from(PRESETS))
    return Bulk(
        id=UUID(int=draw(st.integers(0, 99))),
        name=f"{buy}x{pay}",
        buy=buy,
        pay=pay,
        start_date=NOON - HOUR,
        end_date=NOON + HOUR,
        priority=draw(st.integers(0, 3)),
        max_applications=draw(st.integers(1, 5)),
        products=draw(sets),
        categories=draw(sets),
    )


coupons = st.builds(
    Coupon,
    id=st.just(UUID(int=7)),
    code=st.just("CODE"),
    type=st.just("percentage"),
    value=percents,
    max_amount=st.none() | cents,
    min_purchase=cents.map(lambda amount: (amount / 100).quantize(Decimal("0.01"))),
    for_categories=st.booleans(),
    categories=sets,
) | st.builds(Coupon, id=st.just(UUID(int=8)), code=st.just("FIX"), type=st.just("fixed"), value=cents)


def few_of(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


rules = st.builds(
    Rules, offers=few_of(offers), scheduled=few_of(weekly), bulk=few_of(bulks()), coupon=st.none() | coupons
)
# All of them in CI, fewer at a desk.
EXAMPLES = 5000 if os.environ.get("CI") else 500


def total_of(found: Sequence[Line], applied: Rules) -> Decimal:
    return price(found, applied, now=NOON, zone=SHOP).total


def the_total_is_the_sum_of_its_parts_and_never_below_zero(found: list[Line], applied: Rules) -> None:
    quote = price(found, applied, now=NOON, zone=SHOP)
    assert quote.total >= 0
    assert quote.subtotal == sum(each.line_total for each in quote.lines)
    assert quote.bulk_promotion_discount == sum(each.bulk_discount for each in quote.lines)
    assert quote.discount == sum(each.coupon_share for each in quote.lines)
    assert quote.total == sum(each.final for each in quote.lines)
    for each in quote.lines:
        assert each.final >= 0
        assert each.line_total == each.unit_price * each.line.quantity
        for amount in (each.unit_price, each.bulk_discount, each.coupon_share, each.final):
            assert amount == amount.quantize(Decimal("0.01"))


def neither_the_order_of_lines_nor_how_units_arrived_matters(found: list[Line], applied: Rules, chance: Any) -> None:
    quote = price(found, applied, now=NOON, zone=SHOP)
    shuffled = found.copy()
    chance.shuffle(shuffled)
    assert total_of(shuffled, applied) == quote.total
    in_parts = [part for line in found for part in _parts(line, chance)]
    assert total_of(in_parts, applied) == quote.total


def _parts(line: Line, chance: Any) -> list[Line]:
    first = chance.randint(1, line.quantity)
    quantities = [first, line.quantity - first] if first < line.quantity else [first]
    return [msgspec.structs.replace(line, quantity=quantity) for quantity in quantities]


def without_a_coupon_one_unit_more_never_costs_less(found: list[Line], applied: Rules, place: int) -> None:
    """Of promotions that give one unit a time; one that gives more (six for four) sells the sixth below nothing."""
    applied = msgspec.structs.replace(applied, coupon=None)
    more = [*found]
    more[place] = msgspec.structs.replace(found[place], quantity=found[place].quantity + 1)
    assert total_of(more, applied) >= total_of(found, applied)


def all_of_it_off_is_exactly_nothing(found: list[Line], applied: Rules) -> None:
    whole = Coupon(UUID(int=9), "GRATIS", "percentage", Decimal(100))
    quote = price(found, msgspec.structs.replace(applied, coupon=whole), now=NOON, zone=SHOP)
    assert str(quote.total) == "0.00"
    assert quote.discount == quote.subtotal - quote.bulk_promotion_discount
    free = [msgspec.structs.replace(line, discount=Decimal(100)) for line in found]
    assert str(total_of(free, applied)) == "0.00"


def a_coupon_larger_than_the_rest_is_clamped(found: list[Line], applied: Rules, beyond: Decimal) -> None:
    bare = price(found, msgspec.structs.replace(applied, coupon=None), now=NOON, zone=SHOP)
    fixed = Coupon(UUID(int=9), "FIJO", "fixed", bare.total + beyond)
    quote = price(found, msgspec.structs.replace(applied, coupon=fixed), now=NOON, zone=SHOP)
    assert (str(quote.total), quote.discount) == ("0.00", bare.total)
    assert quote.coupon is not None
    assert quote.coupon.discount == bare.total


@settings(max_examples=EXAMPLES, deadline=None)
@given(lines(), rules, cents, st.randoms(use_true_random=False), st.data())
def test_every_purchase(found: list[Line], applied: Rules, beyond: Decimal, chance: Any, data: st.DataObject) -> None:
    """Each property on each example: making one takes longer than trying it."""
    place = data.draw(st.integers(0, len(found) - 1))
    the_total_is_the_sum_of_its_parts_and_never_below_zero(found, applied)
    neither_the_order_of_lines_nor_how_units_arrived_matters(found, applied, chance)
    without_a_coupon_one_unit_more_never_costs_less(found, applied, place)
    all_of_it_off_is_exactly_nothing(found, applied)
    a_coupon_larger_than_the_rest_is_clamped(found, applied, beyond)


@settings(max_examples=EXAMPLES // 5, deadline=None)
@given(lines(3), rules)
def test_a_quote_holds_as_long_as_it_says(found: list[Line], applied: Rules) -> None:
    quote = price(found, applied, now=NOON, zone=SHOP)
    until = quote.valid_until or NOON + 48 * HOUR
    for part in (0.25, 0.5, 0.999):
        at = NOON + (until - NOON) * part
        assert price(found, applied, now=at, zone=SHOP).total == quote.total


times = st.integers(0, 86_399).map(lambda seconds: (EPOCH + dt.timedelta(seconds=seconds)).time())


@settings(max_examples=EXAMPLES // 5, deadline=None)
@given(st.builds(Weekly, day=st.integers(0, 6), start=times, end=times), st.integers(0, 400 * 86_400))
def test_between_two_changes_nothing_changes(window: Weekly, seconds: int) -> None:
    after = EPOCH + dt.timedelta(seconds=seconds)
    change = next_change(window, after, SHOP)
    if change is None:
        assert window.start == window.end
        return
    assert is_on(window, change, SHOP) != is_on(window, after, SHOP)
    assert edges_after(window, after, SHOP)
    for part in (0.3, 0.7):
        assert is_on(window, after + (change - after) * part, SHOP) == is_on(window, after, SHOP)
