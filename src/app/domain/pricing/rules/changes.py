"""Until when a price holds: the clock alone ends it."""

import datetime as dt
import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from zoneinfo import ZoneInfo

import msgspec

from app.domain.pricing.rules.bulk import best_bulk, running
from app.domain.pricing.rules.coupons import refusal_of
from app.domain.pricing.rules.facts import CENT, Bulk, Line, Offer, Rules
from app.domain.pricing.rules.percentages import Percentages
from app.domain.pricing.rules.windows import TICK, next_change

# A rule that starts and ends in the shadow of another is looked at so often; what is answered then is early.
MOST_EDGES = 24
# An instant at which a rule starts or ends, and the first instant at which that counts.
Edge = tuple[dt.datetime, dt.datetime]


def valid_until(lines: Sequence[Line], rules: Rules, *, now: dt.datetime, zone: ZoneInfo) -> dt.datetime | None:
    """The next instant at which one of the lines costs something else; None when the clock will not change it.

    Where a rule's last instant still belongs to it, that instant.
    """
    rules = _that_matter(lines, rules)
    timers = list(_timers(rules, zone))
    waiting = [(edge, number) for number, following in enumerate(timers) for edge in following(now)]
    heapq.heapify(waiting)
    if not waiting:
        return None
    kept = _terms(lines, rules, now, zone)
    edge = None
    for _ in range(MOST_EDGES):
        if not waiting:
            return None
        (edge, after), number = heapq.heappop(waiting)
        if _terms(lines, rules, after, zone) != kept:
            return edge
        for following in timers[number](after):
            heapq.heappush(waiting, (following, number))
    return edge


def _that_matter(lines: Sequence[Line], rules: Rules) -> Rules:
    """Without the percentages that are never above what the lines have anyway."""
    least: dict[int, list[Line]] = {}
    for line in lines:
        for category in line.categories:
            least.setdefault(category, []).append(line)
    own = {line.product_id: line.discount for line in lines}
    return msgspec.structs.replace(
        rules,
        offers=tuple(
            offer
            for offer in rules.offers
            if any(product in own and own[product] < offer.discount for product in offer.products)
        ),
        scheduled=tuple(
            scheduled
            for scheduled in rules.scheduled
            if any(line.discount < scheduled.discount for line in least.get(scheduled.category, ()))
        ),
    )


def _timers(rules: Rules, zone: ZoneInfo) -> Iterator[Callable[[dt.datetime], list[Edge]]]:
    """For each rule what tells its next edge from an instant on."""
    dated_rules: tuple[Offer | Bulk, ...] = (*rules.offers, *rules.bulk)
    for dated in dated_rules:
        yield _of_dates(dated.start_date, dated.end_date)
    for scheduled in rules.scheduled:
        yield lambda at, window=scheduled.window: _alone(next_change(window, at, zone))  # type: ignore[misc]
    if rules.coupon is not None and rules.coupon.expires_at is not None:
        expires_at = rules.coupon.expires_at
        yield lambda at: _alone(expires_at if expires_at > at else None)


def _of_dates(start: dt.datetime, end: dt.datetime) -> Callable[[dt.datetime], list[Edge]]:
    def following(at: dt.datetime) -> list[Edge]:
        if start > at:
            return [(start, start)]
        return [(end, end + TICK)] if end >= at else []

    return following


def _alone(edge: dt.datetime | None) -> list[Edge]:
    return [] if edge is None else [(edge, edge)]


def _terms(lines: Sequence[Line], rules: Rules, at: dt.datetime, zone: ZoneInfo) -> list[object]:
    """Everything about the lines' prices that the clock decides."""
    percentages = Percentages.at(rules, at, zone)
    terms: list[object] = [percentages.of(line).percent for line in lines]
    if promotions := running(rules.bulk, at):
        units: Counter[object] = Counter()
        for line in lines:
            units[line.choice] += line.quantity
        for line in lines:
            best = best_bulk(promotions, line, units[line.choice], CENT)
            terms.append(best.free_units(units[line.choice]) if best else 0)
    else:
        terms.extend([0] * len(lines))
    return [*terms, rules.coupon and refusal_of(rules.coupon, at)]
