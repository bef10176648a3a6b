"""The engine's rules one by one: priorities, stacking, rounding, shares, the clock."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest

from app.domain.pricing.rules.amounts import allot, discounted, in_pesos
from app.domain.pricing.rules.engine import price
from app.domain.pricing.rules.facts import Line, Rules
from app.domain.pricing.rules.quotes import Discount, Quote
from tests.pricing.rules import HOUR, NOON, SHOP, D, bulk, coupon, line, offer, saturday


def quoted(*lines: Line, now: dt.datetime = NOON, **rules: object) -> Quote:
    return price(lines, Rules(**rules), now=now, zone=SHOP)  # type: ignore[arg-type]


def test_the_highest_percentage_counts_and_says_whose_it_is() -> None:
    own = line(discount=D(10), categories=(7, 3))
    assert quoted(own).lines[0].discount == Discount(D(10), "product_discount")
    assert quoted(own, offers=(offer("10", 1),)).lines[0].discount.source == "product_discount"
    assert quoted(own, offers=(offer("25", 1), offer("15", 1), offer("90", 2))).lines[0].discount == Discount(
        D(25), "offer", "Oferta"
    )
    rules = {"offers": (offer("25", 1),), "scheduled": (saturday("30", 3), saturday("40", 8))}
    assert quoted(own, **rules).lines[0].discount == Discount(D(30), "scheduled_discount", "Sábado")
    assert quoted(line()).lines[0].discount == Discount()


def test_both_ends_of_an_offer_belong_to_it() -> None:
    sale = (offer("50", 1),)
    instants = [
        NOON - HOUR - dt.timedelta(microseconds=1),
        NOON - HOUR,
        NOON + HOUR,
        NOON + HOUR + dt.timedelta(microseconds=1),
    ]
    assert [quoted(line(), now=at, offers=sale).total for at in instants] == [D(1000), D(500), D(500), D(1000)]


@pytest.mark.parametrize("most", [1, 2, 7])
def test_three_for_two(most: int) -> None:
    for quantity in range(1, 21):
        quote = quoted(line(quantity=quantity), bulk=(bulk(3, 2, 1, max_applications=most),))
        free = min(quantity // 3, most)
        assert (quote.lines[0].free_units, quote.bulk_promotion_discount) == (free, 1000 * free)
        split = quoted(*(line() for _ in range(quantity)), bulk=(bulk(3, 2, 1, max_applications=most),))
        assert split.total == quote.total
        assert all(each.final >= 0 for each in split.lines)


def test_another_choice_of_a_product_is_another_line_to_a_promotion() -> None:
    lines = line(options=(1,), quantity=2), line(options=(2,), quantity=1)
    assert quoted(*lines, bulk=(bulk(3, 2, 1),)).bulk_promotion_discount == 0


def test_of_several_promotions_the_reached_one_of_the_highest_priority_counts() -> None:
    four, two = bulk(4, 3, 1, number=1, priority=5), bulk(2, 1, 1, number=2, priority=1, max_applications=2)
    assert quoted(line(quantity=4), bulk=(two, four)).bulk_promotion_discount == 1000
    assert quoted(line(quantity=3), bulk=(two, four)).bulk_promotion_discount == 1000
    even = bulk(3, 2, 1, number=3, priority=1)
    assert quoted(line(quantity=6), bulk=(even, two)).bulk_promotion_discount == 2000
    over = bulk(2, 1, 1, start_date=NOON - 3 * HOUR, end_date=NOON - HOUR)
    assert quoted(line(quantity=2), bulk=(over,)).bulk_promotion_discount == 0
    assert quoted(line(quantity=2, categories=(4, 2)), bulk=(bulk(2, 1, categories=frozenset({2})),)).total == 1000


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"active": False}, "coupon_inactive"),
        ({"expires_at": NOON}, "coupon_expired"),
        ({"max_uses": 3, "used": 3}, "coupon_exhausted"),
        ({"max_uses_per_user": 1, "used_by_user": 1}, "coupon_exhausted"),
        ({"min_purchase": D("1000.01")}, "coupon_below_minimum"),
        ({"for_categories": True, "categories": frozenset({5})}, "coupon_not_eligible"),
        ({"for_categories": True}, "coupon_not_eligible"),
    ],
)
def test_a_coupon_that_is_refused_takes_nothing(fields: dict[str, object], code: str) -> None:
    quote = quoted(line(categories=(4,)), coupon=coupon(**fields))
    assert quote.coupon is not None
    assert quote.coupon.refusal is not None
    assert (quote.coupon.refusal.code, quote.discount, quote.total) == (code, 0, 1000)


def test_the_minimum_is_that_of_the_subtotal_before_promotions() -> None:
    quote = quoted(line(quantity=2), bulk=(bulk(2, 1, 1),), coupon=coupon("10", min_purchase=D(2000)))
    assert (quote.discount, quote.total) == (100, 900)


@pytest.mark.parametrize(
    ("kind", "value", "most", "off"),
    [
        ("fixed", "7000", None, "6000.00"),
        ("fixed", "500", None, "500.00"),
        ("fixed", "500", "300", "300.00"),
        ("percentage", "100", None, "6000.00"),
        ("percentage", "20", "5000", "1200.00"),
        ("percentage", "20", "1000", "1000.00"),
        ("percentage", "0.01", None, "0.60"),
    ],
)
def test_what_a_coupon_takes_off(kind: str, value: str, most: str | None, off: str) -> None:
    found = quoted(line(price="6000"), coupon=coupon(value, kind, max_amount=most and D(most)))
    assert (str(found.discount), str(found.total)) == (off, str(D("6000.00") - D(off)))


def test_a_percentage_is_rounded_half_up() -> None:
    assert quoted(line(price="0.25"), coupon=coupon("10")).discount == D("0.03")
    assert quoted(line(price="0.05"), coupon=coupon("10")).discount == D("0.01")
    assert discounted(D("0.05"), D(50)) == D("0.03")
    assert discounted(D("12.99"), D(50)) == D("6.50")
    assert discounted(D("-3"), D(0)) == 0


def test_shares_are_allotted_by_largest_remainder() -> None:
    quote = quoted(line(1, price="33.33"), line(2, price="33.33"), line(3, price="33.34"), coupon=coupon("35"))
    assert sum(priced.coupon_share for priced in quote.lines) == quote.discount == D("35.00")
    assert quote.total == sum(priced.final for priced in quote.lines) == D("65.00")
    assert allot(D("0.01"), [D(1), D(1), D(1)], [3, 1, 2]) == [D(0), D("0.01"), D(0)]
    assert allot(D("1.00"), [D(1), D(1), D(1)], [1, 2, 3]) == [D("0.34"), D("0.33"), D("0.33")]
    assert allot(D(5), [D(0), D(5)], [1, 2]) == [D(0), D(5)]
    assert allot(D(0), [D(0)], [1]) == [D(0)]


def test_dollars_become_pesos_with_their_adjustment_and_are_rounded_once() -> None:
    assert in_pesos(D("10.00"), D(0), D("1200.00")) == (D("12000.00"), D("0.00"))
    base, adjustment = in_pesos(D("0.01"), D("0.01"), D("1200.55"))
    assert (base, base + adjustment) == (D("12.01"), D("24.01"))


def test_a_quote_holds_until_the_next_instant_that_changes_one_of_its_prices() -> None:
    assert quoted(line()).valid_until is None
    day = dt.timedelta(days=1)
    later = offer("30", 1, start=NOON + 2 * HOUR, end=NOON + 3 * HOUR)
    assert quoted(line(), offers=(offer("20", 1), later)).valid_until == NOON + HOUR
    assert quoted(line(), offers=(later,)).valid_until == NOON + 2 * HOUR
    # In the shadow of another nothing changes when it ends.
    assert quoted(line(discount=D(40)), offers=(offer("20", 1), later)).valid_until is None
    assert quoted(line(), offers=(offer("20", 1), offer("25", 1, end=NOON + day))).valid_until == NOON + day
    midnight = NOON + 12 * HOUR
    assert quoted(line(categories=(7,)), scheduled=(saturday("15", 7),)).valid_until == midnight
    sunday = midnight + 6 * day
    assert quoted(line(categories=(7,)), now=midnight, scheduled=(saturday("15", 7),)).valid_until == sunday
    assert quoted(line(quantity=3), bulk=(bulk(3, 2, 1),)).valid_until == NOON + HOUR
    assert quoted(line(quantity=2), bulk=(bulk(3, 2, 1),)).valid_until is None
    assert quoted(line(), coupon=coupon(expires_at=NOON + day)).valid_until == NOON + day


def test_free_of_charge() -> None:
    quote = quoted(line(quantity=3), offers=(offer("100", 1),), coupon=coupon())
    assert (str(quote.total), str(quote.discount)) == ("0.00", "0.00")
    assert quote.coupon is not None
    assert quote.coupon.id == UUID(int=9)


def test_nothing_costs_nothing() -> None:
    assert str(quoted().total) == "0.00"
    assert isinstance(quoted().total, Decimal)
