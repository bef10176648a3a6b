"""The one place that says what something costs.

Base, adjustment of the options, the highest percentage, the unit price to the cent; then promotions by quantity; then
the coupon. Lines of the same choice are one to a promotion, however they arrived.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from app.domain.pricing.rules.amounts import allot, discounted
from app.domain.pricing.rules.bulk import best_bulk, running
from app.domain.pricing.rules.changes import valid_until
from app.domain.pricing.rules.coupons import amount_off, minimum_refusal, not_eligible, refusal_of
from app.domain.pricing.rules.facts import NOTHING, Bulk, Line, Rules
from app.domain.pricing.rules.percentages import Percentages
from app.domain.pricing.rules.quotes import CouponOutcome, Discount, PricedLine, Quote


class Draft(msgspec.Struct):
    """A line on its way to its price."""

    line: Line
    discount: Discount
    unit_price: Decimal
    total: Decimal
    bulk: Decimal = NOTHING
    bulk_name: str = ""
    free: int = 0
    share: Decimal = NOTHING

    @property
    def after_bulk(self) -> Decimal:
        return self.total - self.bulk


def price(lines: Sequence[Line], rules: Rules, *, now: dt.datetime, zone: ZoneInfo) -> Quote:
    """What the lines cost at an instant."""
    percentages = Percentages.at(rules, now, zone)
    drafts = [_draft(line, percentages.of(line)) for line in lines]
    _promote(drafts, running(rules.bulk, now))
    subtotal = sum((draft.total for draft in drafts), NOTHING)
    coupon = _redeem(drafts, rules, subtotal, now)
    return Quote(
        lines=[_priced(draft) for draft in drafts],
        subtotal=subtotal,
        bulk_promotion_discount=sum((draft.bulk for draft in drafts), NOTHING),
        discount=NOTHING if coupon is None else coupon.discount,
        coupon=coupon,
        at=now,
        valid_until=valid_until(lines, rules, now=now, zone=zone),
    )


def _draft(line: Line, discount: Discount) -> Draft:
    unit_price = discounted(line.price + line.adjustment, discount.percent)
    return Draft(line, discount, unit_price, unit_price * line.quantity)


def _promote(drafts: Sequence[Draft], promotions: Sequence[Bulk]) -> None:
    """Promotions by quantity count the units of a choice over all its lines."""
    if not promotions:
        return
    choices: dict[Any, list[Draft]] = {}
    for draft in drafts:
        choices.setdefault(draft.line.choice, []).append(draft)
    for same in choices.values():
        first, quantity = same[0], sum(draft.line.quantity for draft in same)
        bulk = best_bulk(promotions, first.line, quantity, first.unit_price)
        if bulk is None:
            continue
        free = bulk.free_units(quantity)
        keys = [draft.line.quantity for draft in same]
        shares = allot(first.unit_price * free, [draft.total for draft in same], keys)
        for draft, share in zip(same, shares, strict=True):
            draft.bulk, draft.bulk_name, draft.free = share, bulk.name, free


def _redeem(drafts: Sequence[Draft], rules: Rules, subtotal: Decimal, now: dt.datetime) -> CouponOutcome | None:
    """The coupon's part, shared among its lines; one that is refused takes nothing."""
    coupon = rules.coupon
    if coupon is None:
        return None
    eligible = [draft for draft in drafts if coupon.covers(draft.line)]
    refusal = refusal_of(coupon, now) or minimum_refusal(coupon, subtotal)
    if refusal is None and not eligible:
        refusal = not_eligible()
    base = sum((draft.after_bulk for draft in eligible), NOTHING)
    if refusal is not None:
        return CouponOutcome(coupon.code, coupon.id, base, refusal=refusal)
    off = amount_off(coupon, base)
    keys = [(draft.line.choice, draft.line.quantity) for draft in eligible]
    shares = allot(off, [draft.after_bulk for draft in eligible], keys)
    for draft, share in zip(eligible, shares, strict=True):
        draft.share = share
    return CouponOutcome(coupon.code, coupon.id, base, off)


def _priced(draft: Draft) -> PricedLine:
    return PricedLine(
        line=draft.line,
        discount=draft.discount,
        unit_price=draft.unit_price,
        line_total=draft.total,
        bulk_discount=draft.bulk,
        bulk_name=draft.bulk_name,
        free_units=draft.free,
        coupon_share=draft.share,
    )
